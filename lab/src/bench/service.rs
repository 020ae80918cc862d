//! The service under load: the `hookline` binary in processes of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Result;
use testbed::ports;

use super::{cpu_limit::CpuLimit, processor::Named, site::Site};
use crate::{hookline::Hookline, stripe};

/// Enough for 20,000 webhooks a second that are each at work for 30 s.
const PREFETCH: &str = "600000";
/// Whoever knows this may change things over HTTP. Reading is open to this machine.
pub(super) const ADMIN_TOKEN: &str = "the-operator-of-this-bench-and-nobody-else";

/// What the work is.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// A wait of so long.
    Simulated(Duration),
    /// A call to whoever listens there.
    Call(SocketAddr),
}

impl Work {
    fn variables(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Simulated(delay) => vec![
                (
                    "PROCESSING_DELAY",
                    humantime::format_duration(delay).to_string(),
                ),
                ("PREFETCH", PREFETCH.into()),
            ],
            Self::Call(downstream) => vec![("PROCESS_URL", format!("http://{downstream}/"))],
        }
    }
}

/// API and consumer as two processes on PostgreSQL and RabbitMQ, or everything in one on the embedded defaults.
pub(super) struct Service {
    pub(super) api: Hookline,
    pub(super) consumer: Option<Hookline>,
    /// Where the API listens.
    pub(super) address: SocketAddr,
    /// The API's; it goes after the process.
    limit: Option<CpuLimit>,
}

impl Service {
    /// Starts it on `site` and returns once both ends are connected.
    pub(super) async fn start(binary: &Path, site: &Site, work: Work) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let mut variables = site.variables();
        variables.extend(work.variables());
        variables.extend([
            ("PORT", address.port().to_string()),
            ("ADMIN_TOKEN", ADMIN_TOKEN.into()),
            ("RUST_LOG", "warn".into()),
            (stripe::VARIABLE.0, stripe::VARIABLE.1.into()),
        ]);
        let start = |role| Hookline::start(binary, role, &variables);
        let (consumer, api) = match site.is_embedded() {
            true => (None, start("")?),
            false => (Some(start("consumer")?), start("api")?),
        };
        let mut service = Self {
            api,
            consumer,
            address,
            limit: None,
        };
        service.api.listens(address).await?;
        if let Some(consumer) = &mut service.consumer {
            site.subscribed(|| consumer.must_run()).await?;
        }
        Ok(service)
    }

    /// Its processes.
    pub(super) fn processes(&self) -> Vec<Named> {
        let consumer = self.consumer.as_ref();
        let consumer = consumer.map(|consumer| ("hookline consumer", consumer.pid()));
        let api = ("hookline api", self.api.pid());
        [api].into_iter().chain(consumer).collect()
    }

    /// Lets the API have so many cores, if any number is given.
    pub(super) fn limit_api(&mut self, cpus: Option<f64>) -> Result<()> {
        self.limit = cpus.map(CpuLimit::new).transpose()?;
        match &self.limit {
            Some(limit) => limit.apply_to(self.api.pid()),
            None => Ok(()),
        }
    }

    /// Fails if a process has ended by itself.
    pub(super) fn must_run(&mut self) -> Result<()> {
        self.api.must_run()?;
        self.consumer.as_mut().map_or(Ok(()), Hookline::must_run)
    }

    /// Stops both as an operator would: the API first, so that nothing new comes.
    pub(super) async fn stop(self) -> Result<()> {
        self.api.stop().await?;
        match self.consumer {
            Some(consumer) => consumer.stop().await,
            None => Ok(()),
        }
    }
}
