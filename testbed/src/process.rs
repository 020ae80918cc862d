//! One process of a private server.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpStream;

use crate::folder::Folder;

/// How often a condition outside this process is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a process may take to obey a signal before it is killed.
const OBEY: Duration = Duration::from_secs(20);

/// The same when the process is dropped, which blocks the thread.
const OBEY_IN_DROP: Duration = Duration::from_secs(5);

/// How much of a log an error quotes, in lines.
const QUOTED_LINES: usize = 15;

/// A child in a process group of its own, so that neither Ctrl-C nor a test runner's end reaches it before we do.
/// It is a child and not a daemon: its number cannot be given to another process while this value lives.
pub struct Process {
    child: Child,
    ending: Signal,
}

impl Process {
    /// Starts `command` in `folder`, its output in `folder.log(name)`. When this value, or this process, goes first,
    /// the child gets `ending`, and SIGKILL if that does not help.
    pub fn spawn(
        name: &str,
        mut command: Command,
        folder: &mut Folder,
        ending: Signal,
    ) -> Result<Self> {
        let log = File::create(folder.log(name))?;
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let process = Self { child, ending };
        folder.watch(process.child.id(), ending)?;
        Ok(process)
    }

    /// The process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .context("cannot look at a child process")
    }

    /// Returns once it has ended.
    pub async fn exit(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until somebody accepts connections at `address`, for no longer than `within`. An error quotes its `log`.
    pub async fn listens(
        &mut self,
        address: SocketAddr,
        within: Duration,
        log: &Path,
    ) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            let ended = self.exited()?;
            ensure!(ended.is_none(), "it ended by itself: {}", tail(log));
            ensure!(
                start.elapsed() < within,
                "it does not listen: {}",
                tail(log)
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Ends it with `signal`, and with SIGKILL if it has not obeyed after [`OBEY`]; returns how it went once it is gone.
    pub async fn end(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal);
        if tokio::time::timeout(OBEY, self.exit()).await.is_err() {
            self.signal(Signal::KILL);
        }
        self.exit().await
    }

    /// Sends `signal` to the whole group, unless the child has ended.
    pub fn signal(&mut self, signal: Signal) {
        if let Ok(None) = self.child.try_wait() {
            // The group may have gone since: nothing left to do then.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(self.ending);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < OBEY_IN_DROP {
            thread::sleep(LOOK_EVERY);
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The process of a server, which may be stopped.
#[derive(Default)]
pub(crate) struct Running(Option<Process>);

impl Running {
    pub(crate) fn started(&mut self, process: Process) {
        self.0 = Some(process);
    }

    /// Whether it is there.
    pub(crate) fn is_there(&mut self) -> Result<bool> {
        if let Some(process) = &mut self.0
            && process.exited()?.is_some()
        {
            self.0 = None;
        }
        Ok(self.0.is_some())
    }

    /// Whether nobody has started it, or somebody has ended it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.is_none()
    }

    /// Its number, unless it is stopped.
    pub(crate) fn id(&self) -> Option<u32> {
        self.0.as_ref().map(Process::id)
    }

    /// Ends it as [`Process::end`] does. Nothing if it is stopped already.
    pub(crate) async fn end(&mut self, signal: Signal) -> Result<()> {
        match self.0.take() {
            Some(process) => process.end(signal).await.map(drop),
            None => Ok(()),
        }
    }
}

/// A command that sees nothing of this process's environment but `PATH`: variables meant for another server, such as
/// `PGDATA` or `RABBITMQ_NODENAME`, must not reach ours.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.env("PATH", search_path());
    command.env("LANG", "C.UTF-8");
    command
}

/// The folders in which programs are looked for.
#[expect(
    clippy::disallowed_methods,
    reason = "PATH is no setting of the product, and only the environment knows it"
)]
pub fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// Runs `command` to its end and returns its standard output; an error names it and quotes what it said.
pub async fn run(command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{name} failed ({}): {said}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last lines of a log, for an error.
pub fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}
