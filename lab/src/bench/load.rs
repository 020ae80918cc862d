//! The load generator: one thread, one `epoll`, many connections. On a machine that everything shares it must cost
//! little, and a request must not wait for the generator's own scheduling.

mod amount;
mod answers;
mod connection;
mod events;
mod generator;
mod webhook;

use std::net::SocketAddr;

use anyhow::{Result, ensure};

pub(crate) use self::{
    amount::{Load, Pace},
    answers::Answers,
    webhook::{Ids, Sender},
};

impl Load {
    /// Applies the load from a thread of its own. Any answer but acceptance, and 503 with `Retry-After`, is an error.
    pub(crate) async fn apply(self, to: SocketAddr) -> Result<Answers> {
        ensure!(to.ip().is_loopback(), "load goes to this machine only");
        tokio::task::spawn_blocking(move || generator::run(self, to)).await?
    }

    /// The same, when nothing but acceptance will do.
    pub(crate) async fn apply_all_accepted(self, to: SocketAddr) -> Result<Answers> {
        let answers = self.apply(to).await?;
        ensure!(
            answers.later.is_empty(),
            "{} of {} requests were answered with 503",
            answers.later.len(),
            answers.latency.len()
        );
        Ok(answers)
    }
}
