//! The broker as a whole: where it is, what is used there, and what the connections of a process know of each other.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::{
    connection::{self, Address},
    link::Link,
    refusals::Refusals,
    topology::Topology,
};
use crate::{Denied, Depth, Error};

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
pub struct Broker(pub(super) Arc<Shared>);

/// What the connections of a process share.
pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) topology: Topology,
    pub(super) process: String,
    pub(super) publishing: Link,
    pub(super) consuming: Link,
    /// The queue had to be created, and neither a publisher nor a consumer has been told yet.
    created: Mutex<bool>,
    refusals: Refusals,
}

impl Shared {
    /// Connects and declares the topology. Returns whether the queue had to be created, now or when the process started.
    pub(super) async fn open(&self, purpose: &str) -> Result<(lapin::Connection, bool), Error> {
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

    pub(crate) async fn is_there(&self) -> Result<bool, Error> {
        let connection = self.0.address.connect("look", &self.0.process).await?;
        let is_there = self.0.topology.is_there(&connection).await?;
        connection::close(&connection).await;
        Ok(is_there)
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
