//! `/docs` and `/openapi.json`: made once, compressed once, and shared by all who read them.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use poem::{
    Body, Endpoint, Request, Response,
    http::{HeaderMap, header},
};
use tokio::sync::OnceCell;

/// The page has all it needs in itself, and sends what is tried out to where it came from. Nobody may show it in a frame:
/// it has buttons that send.
const PAGE_MAY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A new version may have another.
const CACHED: &str = "no-cache";

/// A document that is the same for everybody.
#[derive(Clone)]
pub(crate) struct Document(Arc<Inner>);

struct Inner {
    content_type: &'static str,
    plain: Bytes,
    compressed: OnceCell<Bytes>,
}

impl Document {
    pub(crate) fn new(content_type: &'static str, text: String) -> Self {
        Self(Arc::new(Inner {
            content_type,
            plain: text.into(),
            compressed: OnceCell::new(),
        }))
    }

    /// Megabytes take a moment: not on a thread that answers webhooks.
    async fn compressed(&self) -> Option<Bytes> {
        let compress = || async {
            let plain = self.0.plain.clone();
            tokio::task::spawn_blocking(move || gzip(&plain))
                .await
                .map_err(std::io::Error::other)?
        };
        let compressed = self.0.compressed.get_or_try_init(compress).await;
        compressed.ok().cloned()
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?.into())
}

impl Endpoint for Document {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let mut response = Response::builder()
            .content_type(self.0.content_type)
            .header(header::CACHE_CONTROL, CACHED)
            .header(header::VARY, "accept-encoding");
        if self.0.content_type.starts_with("text/html") {
            response = response
                .header(header::CONTENT_SECURITY_POLICY, PAGE_MAY)
                .header(header::X_FRAME_OPTIONS, "DENY");
        }
        let compressed = match takes_gzip(request.headers()) {
            true => self.compressed().await,
            false => None,
        };
        Ok(match compressed {
            Some(compressed) => response
                .header(header::CONTENT_ENCODING, "gzip")
                .body(Body::from_bytes(compressed)),
            None => response.body(Body::from_bytes(self.0.plain.clone())),
        })
    }
}

/// Whether `Accept-Encoding` names gzip, and not with the weight 0 (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter();
    let codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings
        .map(|coding| coding.split_once(';').unwrap_or((coding, "")))
        .any(|(coding, weight)| {
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            coding.trim().eq_ignore_ascii_case("gzip")
                && weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0)
        })
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_for_whom_takes_it() {
        for (accepted, taken) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, br", true),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(accepted);
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
            assert_eq!(takes_gzip(&headers), taken, "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
