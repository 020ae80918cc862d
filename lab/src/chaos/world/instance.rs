//! One process of the service with the proxies around it.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use failpoint::Death;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use testbed::{ports, process::tail, proxy::Proxy};
use tokio::net::TcpStream;

use crate::hookline::Hookline;

/// How long a process may take to stop in good order: its grace period, and some for a busy machine.
const OBEY: Duration = Duration::from_secs(15);

/// What a consumer says when it gives everything back.
const LEASE_LOST: &str = "could not renew its lease in time";
/// How long a process that must not start may take to say so.
const REFUSE: Duration = Duration::from_secs(10);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Api,
    Consumer,
    /// Both, with the queue inside the process.
    Everything,
}

/// Who is at the other end of a process's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Database,
    Broker,
    Senders,
    Downstream,
}

impl Peer {
    pub(super) const ALL: [Self; 4] = [
        Self::Database,
        Self::Broker,
        Self::Senders,
        Self::Downstream,
    ];
}

pub(crate) struct Instance {
    pub(crate) role: Role,
    pub(crate) name: String,
    /// Between it and everybody it has to do with, each a proxy of its own.
    pub(super) proxies: Vec<(Peer, Proxy)>,
    /// Panics in the logs of the processes that have ended.
    pub(crate) panics: u64,
    /// How often a consumer has said that it lost its lease, in the logs of the processes that have ended.
    pub(crate) lost_leases: u64,
    /// When its processes have ended, or stood still: what was said to them meanwhile they may not have heard.
    pub(crate) deaths: Vec<Instant>,
    /// Where the next process is to die, if there is a binary that can be told so.
    pub(crate) failpoint: Option<Death>,
    /// That binary.
    pub(crate) failpoints: Option<PathBuf>,
    binary: PathBuf,
    pub(super) variables: Vec<(&'static str, String)>,
    /// Where what its processes say is kept.
    pub(super) logs: Option<PathBuf>,
    listens: SocketAddr,
    process: Option<Hookline>,
    started: u32,
}

impl Instance {
    /// One whose process is still to be started.
    pub(super) fn new(role: Role, number: u32, binary: PathBuf, listens: SocketAddr) -> Self {
        Self {
            name: format!("{}-{number}", role.name()),
            role,
            proxies: Vec::new(),
            panics: 0,
            lost_leases: 0,
            deaths: Vec::new(),
            failpoint: None,
            failpoints: None,
            binary,
            variables: Vec::new(),
            logs: None,
            listens,
            process: None,
            started: 0,
        }
    }

    /// Starts the process, which must not run.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name);
        let mut variables = self.variables.clone();
        let mut binary = &self.binary;
        if let (Some(failpoint), Some(failpoints)) = (&self.failpoint, &self.failpoints) {
            variables.push(("HOOKLINE_FAILPOINT", failpoint.to_string()));
            binary = failpoints;
        }
        let process = Hookline::start(binary, self.role.argument(), &variables)?;
        self.process = Some(process);
        self.started += 1;
        Ok(())
    }

    /// Whether it accepts connections; of a consumer, whether it runs.
    pub(super) async fn answers(&mut self) -> bool {
        match self.role {
            Role::Api | Role::Everything => TcpStream::connect(self.listens).await.is_ok(),
            Role::Consumer => self.process.is_some(),
        }
    }

    /// Where readers look straight at the API, past the proxy.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listens
    }

    /// The proxy between it and `peer`, if they have to do with each other.
    pub(crate) fn proxy(&self, peer: Peer) -> Option<&Proxy> {
        let mut proxies = self.proxies.iter();
        proxies.find_map(|(found, proxy)| (*found == peer).then_some(proxy))
    }

    /// Sets a variable for the processes to come.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        replace(&mut self.variables, name, value.to_owned());
    }

    /// What a variable is for the processes to come.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let mut variables = self.variables.iter();
        variables.find_map(|(known, value)| (*known == name).then(|| value.clone()))
    }

    /// Whether the process is gone; reads its log if so.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        if let Some(process) = &mut self.process
            && process.exited()?.is_some()
        {
            self.look_back();
        }
        Ok(self.process.is_none())
    }

    /// `kill -9`
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL).await.map(drop)
    }

    /// Asks it to stop, and fails unless it does so in good order and in time.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.resume();
        let tail = self.log_tail();
        if let Some(status) = self.end(Signal::TERM).await? {
            ensure!(
                status.success(),
                "{} ended with {status}: {tail}",
                self.name
            );
        }
        Ok(())
    }

    /// Asks it twice to stop: it must leave at once, and however it does is right.
    pub(crate) async fn stop_at_once(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.end(Signal::TERM).await.map(drop)
    }

    async fn end(&mut self, signal: Signal) -> Result<Option<ExitStatus>> {
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        process.signal(signal);
        let status = match tokio::time::timeout(OBEY, process.exit()).await {
            Ok(status) => Some(status?),
            Err(_) => {
                process.signal(Signal::KILL);
                process.exit().await?;
                None
            }
        };
        self.look_back();
        status
            .map(Some)
            .with_context(|| format!("{} did not obey within {OBEY:?}", self.name))
    }

    /// Starts a second process with the same settings beside it, which must end by itself, and returns what it said.
    pub(crate) async fn second(&self) -> Result<String> {
        let mut variables = self.variables.clone();
        replace(&mut variables, "PORT", ports::free()?.to_string());
        let mut second = Hookline::start(&self.binary, self.role.argument(), &variables)?;
        let status = tokio::time::timeout(REFUSE, second.exit()).await;
        let said = tail(&second.log());
        let status = status.with_context(|| format!("a second process runs: {said}"))??;
        ensure!(!status.success(), "a second process ended well: {said}");
        Ok(said)
    }

    /// Stops its clock: it neither runs nor dies.
    pub(crate) fn pause(&mut self) {
        self.deaths.push(Instant::now());
        self.signal(Signal::STOP);
    }

    /// Lets it go on. Nothing if it runs.
    pub(crate) fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process {
            process.signal(signal);
        }
    }

    /// Sets how many files it may have open; returns the limit from before.
    pub(crate) fn limit_files(&self, limit: Option<u64>) -> Result<Option<u64>> {
        let pid = Pid::from_raw(self.pid()?.cast_signed());
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: limit,
            maximum,
        };
        let before = prlimit(pid, Resource::Nofile, limit);
        Ok(before.context("cannot limit its files")?.current)
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> Result<u64> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid()?))?.count() as u64)
    }

    fn pid(&self) -> Result<u32> {
        let process = self.process.as_ref().context("it does not run")?;
        Ok(process.pid())
    }

    /// The last that it has said.
    pub(super) fn log_tail(&self) -> String {
        let log = self.process.as_ref().map(|process| tail(&process.log()));
        log.unwrap_or_default()
    }

    /// Lets a process go that has ended, after a look at what it has said.
    fn look_back(&mut self) {
        let Some(process) = self.process.take() else {
            return;
        };
        let said = fs::read_to_string(process.log()).unwrap_or_default();
        self.deaths.push(Instant::now());
        self.lost_leases += said.matches(LEASE_LOST).count() as u64;
        self.panics += said.matches("panicked at").count() as u64;
        if let Some(folder) = &self.logs {
            let file = folder.join(format!("{}-{}.log", self.name, self.started));
            // A log that cannot be kept must not end the run.
            let _ = fs::write(file, said);
        }
    }
}

fn replace(variables: &mut Vec<(&'static str, String)>, name: &'static str, value: String) {
    variables.retain(|(known, _)| *known != name);
    variables.push((name, value));
}

impl Role {
    fn argument(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Consumer => "consumer",
            Self::Everything => "",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Api | Self::Consumer => self.argument(),
            Self::Everything => "embedded",
        }
    }
}
