//! Why there was no answer, and how that is said.

use std::{error, io, time::Duration};

use thiserror::Error;

use super::shortage;

/// Why there was no answer.
#[derive(Debug, Error)]
pub(super) enum Silence {
    #[error("could not write the body: {0}")]
    Body(#[from] serde_json::Error),
    #[error("could not write the request: {0}")]
    Request(#[from] hyper::http::Error),
    /// Something is short on our side. A name that cannot be resolved is that, too, whatever the resolver says:
    /// nothing was sent, every other call would fare the same, and a name that does not exist is a setting
    /// of ours, or a cluster that is only starting, or a resolver that is sick. (Which of them cannot be told
    /// portably either: the standard library keeps no code.)
    #[error("could not be called from here: {0}")]
    Here(String),
    #[error("could not connect: {0}")]
    Connect(String),
    #[error("no answer: {0}")]
    Lost(String),
    #[error("no answer within {}", span(.0))]
    TimedOut(Duration),
}

impl Silence {
    /// The innermost cause says it best; what is around it names only the layers it went through.
    pub(super) fn of(error: &(dyn error::Error + 'static), silence: fn(String) -> Self) -> Self {
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let error = cause.downcast_ref::<io::Error>();
        match error.is_some_and(shortage::is_here) {
            true => Self::Here(cause.to_string()),
            false => silence(cause.to_string()),
        }
    }
}

pub(super) fn span(time: &Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
