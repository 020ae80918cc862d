//! JSON in and out, by serde alone. poem-openapi's own payload goes through `serde_json::Value`, in
//! which a number is binary floating point.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use poem::{
    IntoResponse, Request, RequestBody, Response,
    error::{ReadBodyError, ResponseError},
    http::{HeaderMap, StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    error::ContentTypeError,
    payload::{ParsePayload, Payload},
    registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

/// The longest body that is read, in bytes. The longest webhook there can be needs about 8 KiB.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Of a longer body, what is read and thrown away before it is refused: a client that is still
/// sending when the connection ends may never see the answer.
const DISCARDED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// From the end of the headers to the end of the body.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The only content coding that is taken: none.
pub(crate) const CODING: &str = "identity";

/// The content is coded (compressed, mostly), which nobody has agreed upon.
#[derive(Debug, thiserror::Error)]
#[error("the content must not be encoded")]
pub(crate) struct Coded;

impl ResponseError for Coded {
    fn status(&self) -> StatusCode {
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    }
}

/// A JSON document that answers a request.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Type> Payload for Json<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Serialize + Send> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::builder()
                .content_type("application/json")
                .body(body),
            Err(error) => {
                tracing::error!(event = "answer_failed", %error, "could not write an answer");
                StatusCode::INTERNAL_SERVER_ERROR.into()
            }
        }
    }
}

/// The bytes of a request whose body is documented as `T`. Reading them is all that can fail here;
/// what they say is the handler's to judge.
pub(crate) struct Body<T> {
    pub(crate) bytes: Vec<u8>,
    /// When the handler began to wait for them, and when they were there.
    pub(crate) asked: Instant,
    pub(crate) read: Instant,
    documented: std::marker::PhantomData<fn() -> T>,
}

impl<T: Type> Payload for Body<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    /// `application/json`, with or without parameters.
    fn check_content_type(content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(Self::CONTENT_TYPE)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ParsePayload for Body<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(_: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let asked = Instant::now();
        let read = read(body.take()?);
        let bytes = tokio::time::timeout(BODY_WITHIN, read)
            .await
            .map_err(|_| poem::Error::from_status(StatusCode::REQUEST_TIMEOUT))??;
        Ok(Self {
            bytes,
            asked,
            read: Instant::now(),
            documented: std::marker::PhantomData,
        })
    }
}

fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(CODING.as_bytes()))
}

async fn read(body: poem::Body) -> Result<Vec<u8>, ReadBodyError> {
    let mut chunks = pin!(body.into_bytes_stream());
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.try_next().await? {
        length += chunk.len();
        if length <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&chunk);
        } else if length > DISCARDED_BYTES_MAX {
            break;
        }
    }
    match length <= BODY_BYTES_MAX {
        true => Ok(bytes),
        false => Err(ReadBodyError::PayloadTooLarge),
    }
}

impl<'a, T: Type> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: Self::CONTENT_TYPE,
                schema: Self::schema_ref(),
            }],
            required: Self::IS_REQUIRED,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if is_coded(request.headers()) {
            return Err(Coded.into());
        }
        match request.content_type() {
            Some(content_type) if Self::check_content_type(content_type) => {
                <Self as ParsePayload>::from_request(request, body).await
            }
            Some(content_type) => Err(ContentTypeError::NotSupported {
                content_type: content_type.to_owned(),
            }
            .into()),
            None => Err(ContentTypeError::ExpectContentType.into()),
        }
    }
}
