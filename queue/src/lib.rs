//! Transport: how a row's id travels from the relay to a consumer. Owns the broker's topology, its
//! connections, and the queue inside the process that stands in for it. Knows no database and no
//! HTTP.
//!
//! Two backends, one vocabulary and one set of promises (`tests/conformance` holds both to it):
//! an id whose publish was confirmed is delivered; a delivery that is not settled when its consumer
//! goes away, or unsubscribes, is delivered again; one delivered too often, or rejected, becomes a dead
//! letter. A dead letter that no consumer asked for comes back to a publisher ([`Returned`]).
//!
//! This is the only crate that names lapin, and `amqp::topology` the only file that names a queue.

pub mod amqp;
mod backoff;
mod error;
pub mod memory;
mod message;
mod queue;

pub use backoff::Backoff;
pub use error::{Denied, Error};
pub use message::{Confirmed, Delivery, Depth, Event, Reason, Returned, Settlement};
pub use queue::{Deliveries, Publisher, Queue};
