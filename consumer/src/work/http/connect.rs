//! From a name to a connection: addresses, TCP, TLS. It knows no proxy, so what is sent goes where the
//! setting says and nowhere else.

use std::{io, sync::Arc, time::Duration};

use rustix::net::sockopt;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

use super::{
    address::Address,
    connection::Connection,
    error::Error,
    progress::{Progress, Stage},
    race,
    resolver::Resolver,
    silence::Silence,
};

/// How often a silent connection is probed, so that firewalls do not forget it during a long answer.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long what was sent may stay unacknowledged by the system at the other end, in milliseconds. A
/// connection that something on the way has forgotten is found dead within this, not at the end of the
/// attempt's time (tcp(7), `TCP_USER_TIMEOUT`).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX_MS: u32 = 10_000;
/// The part of a connection's lifetime that it may end early, at random: what began together should not
/// end together.
const JITTER: f64 = 0.2;

/// Whose certificates are believed.
pub(super) enum Roots {
    /// Those that the system believes.
    System,
    #[cfg(test)]
    These(RootCertStore),
}

pub(super) struct Connector {
    resolver: Resolver,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How long a connection may be used.
    lifetime: Duration,
}

impl Connector {
    pub(super) fn new(address: &Address, roots: Roots, lifetime: Duration) -> Result<Self, Error> {
        let host = address.host();
        let tls = match address.is_https() {
            true => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Url)?;
                Some((TlsConnector::from(Arc::new(tls(roots)?)), name))
            }
            // Reading certificates takes a moment and needs files, which plain HTTP must not depend on.
            false => None,
        };
        Ok(Self {
            resolver: Resolver::new(host.to_owned(), address.port()),
            tls,
            lifetime,
        })
    }

    /// Connects. Takes as long as it takes; whoever calls limits the time.
    pub(super) async fn connect(&self, progress: &mut Progress) -> Result<Connection, Silence> {
        progress.stage = Stage::Resolving;
        let addresses = self.resolver.resolve().await;
        let addresses = addresses.map_err(|error| Silence::Here(error.to_string()))?;
        progress.stage = Stage::Connecting;
        let connected = async {
            let tcp = race::connect(&addresses).await?;
            configure(&tcp)?;
            Ok(match &self.tls {
                None => Either::Left(tcp),
                Some((tls, name)) => Either::Right(tls.connect(name.clone(), tcp).await?),
            })
        };
        let stream = connected
            .await
            .map_err(|error: io::Error| Silence::of(&error, Silence::Connect))?;
        let lifetime = jittered(self.lifetime);
        Connection::begin(stream, Instant::now() + lifetime)
            .await
            .map_err(|error| Silence::of(&error, Silence::Connect))
    }
}

fn jittered(lifetime: Duration) -> Duration {
    lifetime.mul_f64(rand::random_range(1.0 - JITTER..=1.0))
}

fn configure(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepintvl(tcp, KEEPALIVE_EVERY)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(tcp, UNACKNOWLEDGED_MAX_MS)?;
    Ok(())
}

/// With a named provider: rustls cannot choose one by itself where two are compiled in.
fn tls(roots: Roots) -> Result<ClientConfig, Error> {
    let roots = match roots {
        Roots::System => system_roots()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_forgotten_on_the_way_is_noticed() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        configure(&tcp).unwrap();
        assert!(tcp.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(&tcp).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&tcp).unwrap(), KEEPALIVE_EVERY);
        assert_eq!(sockopt::tcp_keepintvl(&tcp).unwrap(), KEEPALIVE_EVERY);
        #[cfg(target_os = "linux")]
        assert_eq!(
            sockopt::tcp_user_timeout(&tcp).unwrap(),
            UNACKNOWLEDGED_MAX_MS
        );
    }

    #[test]
    fn connections_of_one_moment_end_at_different_ones() {
        let lifetimes: Vec<Duration> = (0..100)
            .map(|_| jittered(Duration::from_secs(100)))
            .collect();
        let (shortest, longest) = (
            lifetimes.iter().min().unwrap(),
            lifetimes.iter().max().unwrap(),
        );
        assert!(*shortest >= Duration::from_secs(80) && *longest <= Duration::from_secs(100));
        assert!(*longest - *shortest > Duration::from_secs(5));
    }
}
