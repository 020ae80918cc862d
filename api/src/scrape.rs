//! `/metrics`: the figures of the process, for whoever scrapes them.

use meter::{Format, Registry};
use poem::{
    Endpoint, Request, Response,
    http::{HeaderMap, StatusCode, header},
};

use crate::access::Access;

/// Writes all figures at each request of somebody who may read.
#[derive(Clone)]
pub(crate) struct Scrape {
    pub(crate) registry: Registry,
    pub(crate) access: Access,
}

impl Endpoint for Scrape {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        self.access.may_read(request.headers())?;
        let format = wanted(request.headers());
        match self.registry.text(format) {
            Ok(text) => Ok(Response::builder()
                .content_type(format.content_type())
                .header(header::VARY, "accept")
                .body(text)),
            Err(error) => Err(poem::Error::new(error, StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }
}

/// Prometheus' own format, unless OpenMetrics is asked for and not that.
fn wanted(headers: &HeaderMap) -> Format {
    let values = headers.get_all(header::ACCEPT).into_iter();
    let mut types = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    match types
        .find(|range| range.starts_with("text/") || range.starts_with("application/openmetrics"))
    {
        Some(range) if range.starts_with("application/") => Format::OpenMetrics,
        _ => Format::Prometheus,
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn openmetrics_is_for_whoever_asks_for_it_first() {
        for (accept, format) in [
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "text/plain;version=0.0.4, application/openmetrics-text",
                Format::Prometheus,
            ),
            ("text/html", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("", Format::Prometheus),
        ] {
            let value = HeaderValue::from_static(accept);
            let headers = HeaderMap::from_iter([(header::ACCEPT, value)]);
            assert_eq!(wanted(&headers), format, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new()), Format::Prometheus);
    }
}
