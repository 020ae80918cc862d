//! RabbitMQ. Publishing and consuming have a connection each: a broker short of memory or disk blocks
//! the connections that publish, and acks must go on.
//!
//! lapin's own recovery stays off. Any error, and any end of a stream, is the end of a session; this
//! module drops the whole connection and builds a new one.

mod confirms;
mod connection;
mod consume;
mod dead_letters;
mod ledger;
mod publish;
mod refusals;
mod returns;
mod session;
mod subscription;
mod topology;
mod url;
mod watchdog;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::{Mutex, MutexGuard};

pub use consume::Deliveries;
pub use publish::Publisher;

use crate::{Denied, Depth, Error};
use connection::Address;
use refusals::Refusals;
use topology::Topology;

/// Under which name the client library logs.
pub const LOG_TARGET: &str = "lapin";

/// How to reach a broker and what to use there.
#[derive(Clone)]
pub struct Settings {
    /// `amqp://` or `amqps://`, with user, password and virtual host.
    pub url: String,
    /// PEM text of the certificate authorities to trust beside the system's, for `amqps://`.
    pub ca: Option<String>,
    /// The queue's name; the names of the dead letters' queue and exchange and of the queue of what is returned derive
    /// from it.
    pub queue: String,
    /// Names this process in the management console.
    pub process: String,
}

/// A RabbitMQ broker. Clones share its state.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

struct Shared {
    address: Address,
    topology: Topology,
    process: String,
    publishing: Link,
    consuming: Link,
    /// The queue had to be created, and neither a publisher nor a consumer has been told yet.
    created: Mutex<bool>,
    refusals: Refusals,
}

impl Shared {
    /// Connects and declares the topology. Returns whether the queue had to be created, now or when the process started.
    async fn open(&self, purpose: &str) -> Result<(lapin::Connection, bool), Error> {
        let (connection, mut created) = self.declare(purpose).await?;
        Ok((connection, std::mem::take(&mut *created)))
    }

    /// One at a time, so that whoever finds the queue there knows who had to create it.
    async fn declare(
        &self,
        purpose: &str,
    ) -> Result<(lapin::Connection, MutexGuard<'_, bool>), Error> {
        let declare = async {
            let connection = self.address.connect(purpose, &self.process).await?;
            let mut created = self.created.lock().await;
            self.topology.declare(&connection, &mut created).await?;
            Ok((connection, created))
        };
        let declared = declare.await;
        self.refusals.note(&declared);
        declared
    }
}

/// Checks an address. Says what would be right, as the rest of a sentence, and repeats nothing of it.
pub fn check_url(url: &str) -> Result<(), String> {
    let checked = url::parse(url);
    checked.map(drop).map_err(|refused| refused.to_string())
}

/// Checks a queue's name. Says what would be right, as the rest of a sentence.
pub fn check_queue(name: &str) -> Result<(), String> {
    topology::check_name(name)
}

impl Broker {
    /// Checks the settings; connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] is a sentence about one of the variables `AMQP_URL`, `AMQP_QUEUE` and `AMQP_CA_FILE`. It repeats
    /// nothing of what they contain.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        Ok(Self(Arc::new(Shared {
            address: Address::new(&settings.url, settings.ca)?,
            topology: Topology::new(&settings.queue)?,
            process: settings.process,
            publishing: Link::default(),
            consuming: Link::default(),
            created: Mutex::new(false),
            refusals: Refusals::default(),
        })))
    }

    pub(crate) async fn declare(&self) -> Result<(), Error> {
        // Who comes next is told whether the queue is new.
        let (connection, _) = self.0.declare("start").await?;
        connection::close(&connection).await;
        Ok(())
    }

    pub(crate) async fn depth(&self) -> Result<Depth, Error> {
        let connection = self.0.address.connect("count", &self.0.process).await?;
        let depth = self.0.topology.depth(&connection).await?;
        connection::close(&connection).await;
        Ok(depth)
    }

    pub(crate) fn denied(&self) -> Option<Denied> {
        self.0.refusals.now()
    }

    pub(crate) fn queue(&self) -> &str {
        self.0.topology.queue.as_str()
    }

    pub(crate) fn is_up(&self) -> bool {
        !self.0.publishing.is_down() && !self.0.consuming.is_down()
    }
}

/// Whether a connection that this process wants is there.
#[derive(Clone, Default)]
struct Link(Arc<AtomicU8>);

impl Link {
    const UNUSED: u8 = 0;
    const DOWN: u8 = 1;
    const UP: u8 = 2;

    /// From now on the process wants this connection.
    fn want(&self) {
        let _ = self.0.compare_exchange(
            Self::UNUSED,
            Self::DOWN,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// From now on the process does not want it. One that is there may stay.
    fn rest(&self) {
        let _ = self.0.compare_exchange(
            Self::DOWN,
            Self::UNUSED,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// It is there until the answer is dropped.
    fn up(&self) -> LinkUp {
        self.0.store(Self::UP, Ordering::Relaxed);
        LinkUp(self.clone())
    }

    fn is_down(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::DOWN
    }
}

struct LinkUp(Link);

impl Drop for LinkUp {
    fn drop(&mut self) {
        self.0.0.store(Link::DOWN, Ordering::Relaxed);
    }
}
