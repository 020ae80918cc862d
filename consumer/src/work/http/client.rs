//! The HTTP client: connections that are kept, TLS, and their limits. It follows no redirect and knows no
//! proxy, so what is sent goes where the setting says and nowhere else.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{Error, address::Address};

pub(super) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How long a connection is kept that nobody uses. Less than what far sides and what is between usually
/// allow, so that we are the first to close it: the other way round a request can be lost in the closing.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Connections that are kept while nobody uses them.
const IDLE_CONNECTIONS_MAX: usize = 1024;
/// How often a silent connection is probed, so that firewalls do not forget it during a long answer.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// Bytes of an answer's status line and headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Whose certificates are believed.
pub(super) enum Roots {
    /// Those that the system believes.
    System,
    #[cfg(test)]
    These(RootCertStore),
}

pub(super) fn new(address: &Address, roots: Roots, timeout: Duration) -> Result<Client, Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(KEEPALIVE_EVERY));
    http.set_keepalive_interval(Some(KEEPALIVE_EVERY));
    // The attempt ends in this time anyway. This ends what is left of it in the background.
    http.set_connect_timeout(Some(timeout));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls(address, roots)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .build(connector))
}

/// With a named provider: rustls cannot choose one by itself where two are compiled in.
fn tls(address: &Address, roots: Roots) -> Result<ClientConfig, Error> {
    let roots = match roots {
        Roots::System if address.is_https() => system_roots()?,
        // Reading them takes a moment and needs files, which plain HTTP must not depend on.
        Roots::System => RootCertStore::empty(),
        #[cfg(test)]
        Roots::These(roots) => roots,
    };
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Certificates)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn system_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read or understood is left out: the others still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::Certificates);
    }
    Ok(roots)
}
