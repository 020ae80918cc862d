//! Why somebody may not, and how they are told.

use poem::{
    IntoResponse as _, Response,
    error::ResponseError,
    http::{HeaderValue, StatusCode, header},
};
use thiserror::Error;

use crate::problem::Problem;

/// Why somebody may not do what they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Denied {
    #[error("this needs a token: Authorization: Bearer TOKEN")]
    NoToken,
    #[error("the token is none of those that are known here")]
    UnknownToken,
    #[error(
        "this changes something and needs a token of ADMIN_TOKEN; the one that was given is for reading"
    )]
    ReadsOnly,
    #[error(
        "nothing can be changed over HTTP here, because ADMIN_TOKEN is not set; the command hookline can change it on the \
         machine itself"
    )]
    NobodyMay,
    #[error("a page of another site asks for this")]
    AnotherSite,
    #[error(
        "this machine was asked for under a name of the internet; without READ_TOKEN it must be an IP address, localhost or a \
         name without a dot"
    )]
    AnotherName,
}

impl Denied {
    /// What a client should send (RFC 6750, section 3).
    pub(crate) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NoToken => Some("Bearer realm=\"hookline\""),
            Self::UnknownToken => Some("Bearer realm=\"hookline\", error=\"invalid_token\""),
            Self::ReadsOnly => Some("Bearer realm=\"hookline\", error=\"insufficient_scope\""),
            Self::NobodyMay | Self::AnotherSite | Self::AnotherName => None,
        }
    }

    pub(crate) fn problem(self) -> Problem {
        Problem::new(self.status(), self.to_string())
    }
}

impl ResponseError for Denied {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::UnknownToken => StatusCode::UNAUTHORIZED,
            Self::ReadsOnly | Self::NobodyMay | Self::AnotherSite | Self::AnotherName => {
                StatusCode::FORBIDDEN
            }
        }
    }

    fn as_response(&self) -> Response {
        let mut response = self.problem().into_response();
        if let Some(challenge) = self.challenge() {
            let challenge = HeaderValue::from_static(challenge);
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
