//! One process of the service: the `hookline` binary, started, watched and ended from the outside.

pub(crate) mod binary;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use testbed::{
    folder::Folder,
    process::{Process, clean, tail},
};

/// How long a start may take.
pub(crate) const START: Duration = Duration::from_secs(30);
/// The name of the log.
const LOG: &str = "hookline";

/// One process.
pub(crate) struct Hookline {
    // Dropped in this order: the process ends before its folder goes.
    process: Process,
    folder: Folder,
    role: &'static str,
}

impl Hookline {
    /// Starts `hookline ROLE` with these variables and no others.
    pub(crate) fn start(
        binary: &Path,
        role: &'static str,
        variables: &[(&str, String)],
    ) -> Result<Self> {
        let mut folder = Folder::new("hookline-process-")?;
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
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Fails if it has ended by itself.
    pub(crate) fn must_run(&mut self) -> Result<()> {
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
    pub(crate) async fn listens(&mut self, address: SocketAddr) -> Result<()> {
        let log = self.folder.log(LOG);
        let listens = self.process.listens(address, START, &log).await;
        listens.with_context(|| format!("hookline {} did not start", self.role))
    }

    /// Waits until it ends by itself with success.
    pub(crate) async fn finish(mut self) -> Result<()> {
        let status = self.process.exit().await?;
        let log = tail(&self.folder.log(LOG));
        ensure!(status.success(), "hookline {} failed: {log}", self.role);
        Ok(())
    }

    /// Stops it as an operator would.
    pub(crate) async fn stop(self) -> Result<()> {
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
    pub(crate) async fn kill(self) -> Result<()> {
        self.process.end(Signal::KILL).await.map(drop)
    }

    /// Sends it `signal`, and waits for nothing.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// How it ended, or `None` while it runs.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Returns once it has ended; the caller has seen to it that it will.
    pub(crate) async fn exit(&mut self) -> Result<ExitStatus> {
        self.process.exit().await
    }

    /// The file with everything that it has said.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.log(LOG)
    }
}
