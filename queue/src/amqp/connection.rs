//! One connection to the broker, made within a bounded time and named after what it is for.

use std::time::Duration;

use lapin::{
    Connection, ConnectionProperties,
    tcp::OwnedTLSConfig,
    types::LongString,
    uri::{AMQPScheme, AMQPUri},
};

use crate::Error;

/// Connecting, TLS and login included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Saying goodbye.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Seconds between heartbeats. The broker closes a silent connection after two to three of these, and
/// until then deals out messages to it as to any other, so this bounds how long a consumer that hangs
/// delays them. RabbitMQ's documentation recommends 5 to 20; without a word lapin takes the server's 60.
const HEARTBEAT_SECS: u16 = 5;

/// Where the broker is and whom to trust there.
pub(super) struct Address {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
}

impl Address {
    pub(super) fn new(url: &str, ca: Option<String>) -> Result<Self, Error> {
        let mut uri: AMQPUri = url.parse().map_err(Error::Settings)?;
        if ca.is_some() && uri.scheme == AMQPScheme::AMQP {
            return Err(Error::Settings(
                "a certificate authority is given, but the address is amqp:// and not amqps://"
                    .into(),
            ));
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
        within(CONNECT_WITHIN, "connecting", builder.connect()).await
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
