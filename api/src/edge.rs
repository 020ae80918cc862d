//! What holds at every path: a path has one spelling, OPTIONS is answered, every error is a problem, and an answer says what a
//! browser and the connection may do with it.

use std::{borrow::Cow, sync::Arc};

use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery,
    },
};

use crate::{
    body, paths,
    problem::{self, Problem},
};

const WEBHOOK_METHODS: &str = "POST, OPTIONS";
const EVENT_METHODS: &str = "POST";
const ALL_METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";
const EVENT_ALL_METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Marks an answer that is as its reader expects it, whatever it says; its request has been read to the end.
#[derive(Clone, Copy)]
pub(crate) struct AsAgreed;

/// For every answer that does not say something else: it is what it says it is, and nobody keeps it.
const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

pub(crate) async fn around<E: Endpoint>(
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response> {
    if let Cow::Owned(path) = paths::tidy(request.uri().path())
        && let Some(uri) = with_path(request.uri(), path)
    {
        *request.uri_mut() = uri;
    }
    let uri = request.uri().clone();
    let method = request.method().clone();
    let asks_for_options = method == Method::OPTIONS;
    if asks_for_options && uri.path() == "*" {
        return Ok(options(ALL_METHODS));
    }
    if asks_for_options && paths::HEALTH.contains(&uri.path()) {
        // What balancers ask by default, and the answer's status is what they want to know.
        request.set_method(Method::GET);
    }
    let has_body = announces_body(request.headers());
    let mut response = match endpoint.call(request).await {
        Ok(response) => response.into_response(),
        Err(error) => {
            if error.status().is_server_error() {
                tracing::error!(event = "request_failed", %error, path = uri.path(), "a request failed");
            }
            error.into_response()
        }
    };
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    if is_error && response.extensions().get::<AsAgreed>().is_none() {
        response = match (asks_for_options, response.status()) {
            (true, StatusCode::METHOD_NOT_ALLOWED) => options(allowed(uri.path(), &method)),
            _ => as_problem(response, uri.path(), &method),
        };
        // The sender would otherwise send its next webhook into a connection that is just being closed.
        if has_body && !was_read(response.status(), uri.path()) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }
    for (name, value) in ALWAYS {
        response.headers_mut().entry(name).or_insert(value);
    }
    Ok(response)
}

fn with_path(uri: &Uri, mut path: String) -> Option<Uri> {
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

fn announces_body(headers: &HeaderMap) -> bool {
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length != "0",
        None => headers.contains_key(header::TRANSFER_ENCODING),
    }
}

/// Whether whoever answers so has read the body first.
fn was_read(status: StatusCode, path: &str) -> bool {
    match status {
        StatusCode::UNAUTHORIZED => path == paths::WEBHOOKS,
        StatusCode::BAD_REQUEST
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::SERVICE_UNAVAILABLE => true,
        _ => false,
    }
}

/// The methods that would do: RFC 9110, section 15.5.6.
fn allowed(path: &str, instead_of: &Method) -> &'static str {
    match path {
        paths::WEBHOOKS => WEBHOOK_METHODS,
        path if paths::tidy_source(path).is_some() => match *instead_of {
            // Of this source nobody may ask anything.
            Method::GET | Method::HEAD => EVENT_METHODS,
            _ => EVENT_ALL_METHODS,
        },
        path => paths::methods(path),
    }
}

fn options(allowed: &'static str) -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ALLOW, allowed)
        .finish()
}

/// An error as a problem, whether it is one already or poem has made plain text of it.
fn as_problem(response: Response, path: &str, method: &Method) -> Response {
    // Where no body is read, poem's one reason for a 400 is a path whose percent-encoding is no text:
    // there is nothing under that.
    let status = match response.status() {
        StatusCode::BAD_REQUEST if path != paths::WEBHOOKS => StatusCode::NOT_FOUND,
        status => status,
    };
    let mut response = match response.content_type() {
        Some(problem::CONTENT_TYPE) => response,
        _ => Problem::of(status).into_response(),
    };
    let (name, value) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (header::ALLOW, allowed(path, method)),
        // RFC 9110, section 15.5.16.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (header::ACCEPT_ENCODING, body::CODING),
        _ => return response,
    };
    let headers = response.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    response
}

/// The answer after a handler has panicked; the panic itself has been printed.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let problem = Problem::new(status, "something went wrong here; it has been logged");
    let mut response = problem.into_response();
    // What the connection still holds of the request is of unknown state.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tidied_path_was_asked_with_stays() {
        let uri = Uri::from_static("//a/?x=/y/");
        let tidied = with_path(&uri, paths::tidy(uri.path()).into_owned());
        assert_eq!(tidied.unwrap(), "/a?x=/y/");
    }
}
