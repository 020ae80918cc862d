//! RabbitMQ. Publishing and consuming have a connection each: a broker short of memory or disk blocks
//! the connections that publish, and acks must go on.
//!
//! lapin's own recovery stays off. Any error, and any end of a stream, is the end of a session; this
//! module drops the whole connection and builds a new one.

mod broker;
mod confirms;
mod connection;
mod consume;
mod dead_letters;
mod ends;
mod ledger;
mod link;
mod publish;
mod refusals;
mod returns;
mod session;
mod subscription;
mod topology;
mod url;
mod watchdog;

pub use broker::{Broker, Settings};
pub use consume::Deliveries;
pub use publish::Publisher;
pub use topology::check_name as check_queue;
pub use url::{check as check_url, place};

/// Under which name the client library logs.
pub const LOG_TARGET: &str = "lapin";
