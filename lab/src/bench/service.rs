//! The service under load: the `hookline` binary in processes of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::site::Site;
use crate::{
    folder::Folder,
    ports,
    process::{LOOK_EVERY, Process, clean, tail},
};

/// How long a start may take.
const START: Duration = Duration::from_secs(30);
/// The name of the log.
const LOG: &str = "hookline";

/// Enough for 20,000 webhooks a second that are each at work for 30 s.
const PREFETCH: &str = "600000";

/// One process.
pub(super) struct Hookline {
    // Dropped in this order: the process ends before its folder goes.
    process: Process,
    folder: Folder,
    role: &'static str,
}

impl Hookline {
    /// Starts `hookline ROLE` with these variables and no others.
    pub(super) fn start(
        binary: &Path,
        role: &'static str,
        variables: &[(&str, String)],
    ) -> Result<Self> {
        let mut folder = Folder::new("hookline-bench-")?;
        let mut command = clean(binary);
        command.args(role.split_whitespace());
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn(LOG, command, &mut folder, Signal::TERM)?;
        Ok(Self {
            process,
            folder,
            role,
        })
    }

    /// The process number.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Fails if it has ended by itself.
    pub(super) fn must_run(&mut self) -> Result<()> {
        let ended = self.process.exited()?;
        ensure!(
            ended.is_none(),
            "hookline {} ended: {}",
            self.role,
            tail(&self.folder.log(LOG))
        );
        Ok(())
    }

    /// Waits until it accepts connections.
    pub(super) async fn listens(&mut self, address: SocketAddr) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            self.must_run()?;
            ensure!(start.elapsed() < START, "hookline does not listen");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until it ends by itself with success.
    pub(super) async fn finish(mut self) -> Result<()> {
        let status = self.process.exit().await?;
        let log = tail(&self.folder.log(LOG));
        ensure!(status.success(), "hookline {} failed: {log}", self.role);
        Ok(())
    }

    /// Stops it as an operator would.
    pub(super) async fn stop(self) -> Result<()> {
        let Self {
            process,
            folder,
            role,
        } = self;
        let status = process.end(Signal::TERM).await?;
        let log = tail(&folder.log(LOG));
        ensure!(
            status.success(),
            "hookline {role} did not stop in good order ({status}): {log}"
        );
        Ok(())
    }

    /// `kill -9`
    pub(super) async fn kill(self) -> Result<()> {
        self.process.end(Signal::KILL).await.map(drop)
    }
}

/// API and consumer as two processes on PostgreSQL and RabbitMQ, or everything in one on the embedded defaults.
pub(super) struct Service {
    pub(super) api: Hookline,
    pub(super) consumer: Option<Hookline>,
    /// Where the API listens.
    pub(super) address: SocketAddr,
}

impl Service {
    /// Starts it on `site` and returns once both ends are connected.
    pub(super) async fn start(binary: &Path, site: &Site, delay: Duration) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let mut variables = site.variables();
        variables.push(("PORT", address.port().to_string()));
        variables.push((
            "PROCESSING_DELAY",
            humantime::format_duration(delay).to_string(),
        ));
        variables.push(("PREFETCH", PREFETCH.into()));
        variables.push(("RUST_LOG", "warn".into()));
        let (role, consumer) = match site.is_embedded() {
            true => ("", None),
            false => {
                let consumer = Hookline::start(binary, "consumer", &variables)?;
                ("api", Some(consumer))
            }
        };
        let api = Hookline::start(binary, role, &variables)?;
        let mut service = Self {
            api,
            consumer,
            address,
        };
        service.api.listens(address).await?;
        if let Some(consumer) = &mut service.consumer {
            let start = Instant::now();
            while site.consumers().await? == 0 {
                consumer.must_run()?;
                ensure!(start.elapsed() < START, "the consumer does not subscribe");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(service)
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
