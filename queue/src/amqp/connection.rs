//! One connection to the broker, made within a bounded time and named after what it is for.

use std::time::Duration;

use lapin::{
    Connection, ConnectionProperties, ErrorKind,
    tcp::OwnedTLSConfig,
    types::LongString,
    uri::{AMQPScheme, AMQPUri},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::url::{self, CONNECT_WITHIN, HEARTBEAT_SECS, Url};
use crate::{Denied, Error};

/// AMQP's reply codes (0-9-1, 1.2) for a login that RabbitMQ refuses, and for a virtual host that it refuses or that is not
/// there.
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;

/// Saying goodbye.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Where the broker is and whom to trust there.
pub(super) struct Address {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
}

impl Address {
    /// Says what in `url` does not count. `ca` is PEM text.
    pub(super) fn new(url: &str, ca: Option<String>) -> Result<Self, Error> {
        let Url { mut uri, ignored } =
            url::parse(url).map_err(|refused| Error::Settings(format!("AMQP_URL {refused}")))?;
        if let Some(ca) = &ca {
            check_authority(ca, &uri.scheme)?;
        }
        for ignored in ignored {
            tracing::warn!(event = "address_ignored", "AMQP_URL: {ignored}");
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
        Ok(Self {
            uri,
            tls: OwnedTLSConfig {
                identity: None,
                cert_chain: ca,
            },
        })
    }

    /// `purpose` and `process` name the connection in the management console.
    pub(super) async fn connect(&self, purpose: &str, process: &str) -> Result<Connection, Error> {
        let name = LongString::from(format!("hookline {purpose} ({process})"));
        let builder = lapin::DefaultConnectionBuilder::new()?
            .with_uri(self.uri.clone())
            .with_properties(ConnectionProperties::default().with_connection_name(name))
            .with_tls_config(self.tls.clone());
        let timeout = self.uri.query.connection_timeout.map(Duration::from_millis);
        let limit = timeout.unwrap_or(CONNECT_WITHIN);
        within(limit, "connecting", builder.connect())
            .await
            .map_err(denied)
    }
}

fn check_authority(ca: &str, scheme: &AMQPScheme) -> Result<(), Error> {
    let right = match scheme {
        AMQPScheme::AMQP => "must not be set unless AMQP_URL is amqps://",
        AMQPScheme::AMQPS if !is_pem(ca) => "must name a file of certificates in PEM",
        AMQPScheme::AMQPS => return Ok(()),
    };
    Err(Error::Settings(format!("AMQP_CA_FILE {right}")))
}

fn is_pem(text: &str) -> bool {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    certificates.is_ok_and(|certificates| !certificates.is_empty())
}

/// Tells a broker that will not have us from one that is away.
fn denied(error: Error) -> Error {
    match reply_code(&error) {
        Some(ACCESS_REFUSED) => Denied::Login.into(),
        Some(NOT_ALLOWED) => Denied::VirtualHost.into(),
        _ => error,
    }
}

/// The code with which the broker has ended a connection.
fn reply_code(error: &Error) -> Option<u16> {
    let Error::Amqp(error) = error else {
        return None;
    };
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// Closes politely, but not for ever.
pub(super) async fn close(connection: &Connection) {
    // Whatever goes wrong here, the connection is dropped next.
    let _ = within(CLOSE_WITHIN, "closing", connection.close(200, "bye".into())).await;
}

/// Bounds a call to the broker: on a stalled or blocked connection lapin's futures wait for ever.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Timeout {
            doing,
            within: limit,
        }),
    }
}
