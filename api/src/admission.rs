//! Who is turned away at the door. When as many webhooks wait as may, another one is told to come back
//! before its body is read: saying no must cost little just then, or those who were let in wait for it.

use std::sync::Arc;

use poem::{Endpoint, IntoResponse, Request, Response};

use crate::{
    webhooks,
    writer::{NotCommitted, Writer},
};

/// Answers 503 to a webhook while the writer is full; everything else goes on to `endpoint`.
pub(crate) async fn admit<E: Endpoint>(
    writer: Writer,
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    if writer.is_full() && request.uri().path() == webhooks::PATH {
        return Ok(webhooks::Answer::from(NotCommitted::InTime).into_response());
    }
    Ok(endpoint.call(request).await?.into_response())
}
