//! What is asked for: a body that is read before anything is done, and the reason, which is asked of everybody.

use entity::lifecycle::operate::Reason;
use poem::{IntoResponse as _, Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaRequest, Registry},
    types::Type,
};

use super::{
    members::{Members, text},
    unclear::Unclear,
};
use crate::{
    body::BodyError,
    json::Body,
    problem::{FieldError, Problem},
    wire::Why,
};

/// What a body of this type says.
pub(super) trait Ask: Type {
    type Said;

    /// Reads it, or says what is wrong with each member.
    fn read(members: Members<'_>) -> Result<Self::Said, Vec<FieldError>>;
}

/// A body, read. What it says is clear, or nothing is done.
pub(super) struct Asked<T: Ask>(pub(super) T::Said);

impl<'a, T: Ask> ApiExtractor<'a> for Asked<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Body<T> as poem_openapi::payload::Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        <Body<T> as ApiExtractor>::request_meta()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let body = <Body<T> as ApiExtractor>::from_request(request, body, options).await;
        let body = body.map_err(in_words)?;
        let members = Members::of(&body.bytes)?;
        let said = T::read(members).map_err(Unclear::Fields)?;
        Ok(Self(said))
    }
}

/// Says of a body why it could not be read.
fn in_words(error: poem::Error) -> poem::Error {
    match error.downcast_ref::<BodyError>() {
        Some(why) => {
            let problem = Problem::new(error.status(), why.to_string());
            poem::Error::from_response(problem.into_response())
        }
        None => error,
    }
}

impl Ask for Why {
    type Said = Reason;

    fn read(mut members: Members<'_>) -> Result<Reason, Vec<FieldError>> {
        let reason = members.required("reason", text);
        let errors = members.end("", "reason");
        reason.filter(|_| errors.is_empty()).ok_or(errors)
    }
}

/// The reason in a query, for what has no body.
pub(super) fn reason_of_query(reason: Option<String>) -> Result<Reason, Unclear> {
    let wrong = |why: String| Unclear::Fields(vec![FieldError::new("reason", why)]);
    let reason = reason.ok_or_else(|| wrong("is required".into()))?;
    Reason::try_from(reason).map_err(|error| wrong(error.to_string()))
}
