//! The bytes of a request: not coded, no longer than they may be, and here in time.

use std::{pin::pin, time::Duration};

use futures::TryStreamExt as _;
use poem::{
    Body,
    error::ResponseError,
    http::{HeaderMap, StatusCode, header},
};
use thiserror::Error;

/// Of a longer body, what is read and thrown away before it is refused: a client that is still
/// sending when the connection ends may never see the answer. In bytes.
const DISCARDED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// From the end of the headers to the end of the body.
const WITHIN: Duration = Duration::from_secs(10);

/// The only content coding that is taken: none.
pub(crate) const CODING: &str = "identity";

/// Why there are no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BodyError {
    /// It is coded (compressed, mostly), which nobody has agreed upon.
    #[error("the content must not be encoded")]
    Coded,
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error("the request's body did not arrive in time")]
    TooSlow,
    /// The client broke off or broke the protocol; it will hardly read this.
    #[error("the body could not be read")]
    Broken,
    #[error("too many long bodies are being read; please send it again")]
    NoSpace,
}

impl ResponseError for BodyError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Coded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::NoSpace => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Whether the content is as it is.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), BodyError> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    match codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(CODING.as_bytes())) {
        true => Ok(()),
        false => Err(BodyError::Coded),
    }
}

/// Reads a body of at most `bytes_max`. `has_space` is asked before it becomes so many bytes long.
pub(crate) async fn read(
    body: Body,
    bytes_max: usize,
    has_space: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, BodyError> {
    let read = read_all(body, bytes_max, has_space);
    let read = tokio::time::timeout(WITHIN, read).await;
    read.unwrap_or(Err(BodyError::TooSlow))
}

async fn read_all(
    body: Body,
    bytes_max: usize,
    mut has_space: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, BodyError> {
    let mut chunks = pin!(body.into_bytes_stream());
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.try_next().await.map_err(|_| BodyError::Broken)? {
        length += chunk.len();
        if length <= bytes_max {
            if !has_space(length) {
                return Err(BodyError::NoSpace);
            }
            bytes.extend_from_slice(&chunk);
        } else if length > DISCARDED_BYTES_MAX {
            break;
        } else {
            // It will not be needed.
            bytes = Vec::new();
        }
    }
    match length <= bytes_max {
        true => Ok(bytes),
        false => Err(BodyError::TooLong(bytes_max)),
    }
}
