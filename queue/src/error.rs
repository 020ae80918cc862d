//! What goes wrong with a queue.

use thiserror::Error;

/// Why the queue did not do what was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings can never work.
    #[error("{0}")]
    Settings(String),
    /// The broker holds something of the same name that is not what we would declare.
    #[error("the broker has a queue or exchange of this name with other arguments: {0}")]
    Mismatch(String),
    /// The broker is there and will not have us.
    #[error("the broker refuses {0}")]
    Denied(#[from] Denied),
    /// The broker did not answer in time.
    #[error("no answer from the broker within {} s while {doing}", within.as_secs())]
    Timeout {
        doing: &'static str,
        within: std::time::Duration,
    },
    /// The broker did not take responsibility for a message.
    #[error("the broker refused a message: {0}")]
    Refused(&'static str),
    /// The queue was deleted, or has lost its leader.
    #[error("the queue is gone: {0}")]
    Gone(&'static str),
    /// The queue inside the process holds as many ids as it may.
    #[error("the queue inside the process is full")]
    Full,
    /// The connection, the channel or the protocol failed.
    #[error("the connection to the broker failed: {0}")]
    Amqp(#[from] lapin::Error),
}

/// What a broker refuses us. That may change, here by other settings and a start, or there by other rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// Whoever we say we are.
    #[error("the login: the user or the password is wrong")]
    Login,
    /// The virtual host.
    #[error(
        "the virtual host: it is not there, or this user may not use it, or has too many connections to it"
    )]
    VirtualHost,
    /// Declaring the queue.
    #[error(
        "the queue: this user lacks the right to configure, write or read it or what belongs to it"
    )]
    Queue,
}
