//! What a sender is answered: in the words that it expects where there are any, and otherwise as a problem.

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use source::Reply;

use crate::{
    body::BodyError,
    edge::AsAgreed,
    problem::{self, Problem},
    writer::NotCommitted,
};

/// To a webhook, or to a question (`ASKED`).
pub(crate) struct Answer<const ASKED: bool = false>(Response);

impl<const ASKED: bool> Answer<ASKED> {
    /// What the source's sender expects.
    pub(super) fn reply(reply: &Reply) -> Self {
        let mut response = said(reply.status, reply.body.clone());
        let content_type = reply.content_type.as_deref();
        let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
        if let Some(content_type) = content_type {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        Self(response)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Nobody is told why.
    pub(super) fn refused(status: u16, retry_after: u32) -> Self {
        let mut response = said(status, String::new());
        if response.status().is_server_error() {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, retry_after.into());
        }
        Self(response)
    }

    /// The body could not even be read.
    pub(super) fn unread(error: BodyError, retry_after: u32) -> Self {
        let mut response = problem_for_sender(&error);
        if error == BodyError::NoSpace {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, retry_after.into());
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Self(response)
    }

    /// It is genuine, so whatever went wrong is ours: many a sender does not repeat what is answered with a 4xx.
    pub(super) fn not_committed(why: NotCommitted, retry_after: u32) -> Self {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string());
        let mut response = problem.into_response();
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, retry_after.into());
        Self(response)
    }
}

fn problem_for_sender(error: &BodyError) -> Response {
    use poem::error::ResponseError as _;
    Problem::new(error.status(), error.to_string()).into_response()
}

fn said(status: u16, body: String) -> Response {
    // It was one when the source was built.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder()
        .status(status)
        .extension(AsAgreed)
        .body(body)
}

impl<const ASKED: bool> IntoResponse for Answer<ASKED> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<const ASKED: bool> ApiResponse for Answer<ASKED> {
    fn meta() -> MetaResponses {
        let unknown = problem(404, "There is no source of this name.");
        if ASKED {
            let responses = vec![
                empty(200, "What the sender expects."),
                empty(403, "Whoever asks does not know what was agreed upon."),
                unknown,
            ];
            return MetaResponses { responses };
        }
        let retry_after = MetaHeader {
            name: "Retry-After".into(),
            description: Some("Seconds to wait.".into()),
            required: true,
            deprecated: false,
            schema: u32::schema_ref(),
        };
        let not_committed = MetaResponse {
            headers: vec![retry_after],
            ..problem(
                503,
                "It could not be committed in time. Send it again: if it was committed after all, that does no harm.",
            )
        };
        let responses = vec![
            empty(
                200,
                "It is committed to the database, now or before; or it was a question and here is the answer. Status, content \
                 type and body are what the sender expects, or what is configured.",
            ),
            empty(
                401,
                "It is not proven to be the sender's. (Some senders expect another status: 498, 406.)",
            ),
            unknown,
            problem(408, "The body did not arrive in time."),
            problem(413, "The body is longer than this source may send."),
            problem(415, "The content is coded (compressed)."),
            empty(422, "It is the sender's, and no event can be read from it."),
            not_committed,
        ];
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

fn empty(status: u16, description: &'static str) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: Vec::new(),
        headers: Vec::new(),
    }
}

fn problem(status: u16, description: &'static str) -> MetaResponse {
    let content = vec![MetaMediaType {
        content_type: problem::CONTENT_TYPE,
        schema: Problem::schema_ref(),
    }];
    MetaResponse {
        content,
        ..empty(status, description)
    }
}
