//! Processes of the service, started as an operator would start them.

use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

const HOOKLINE: &str = env!("CARGO_BIN_EXE_hookline");

/// Long enough for anything that is going to happen on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) type Environment = HashMap<&'static str, String>;

/// A running `hookline`. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    reader: JoinHandle<()>,
    log: Arc<Mutex<String>>,
    address: watch::Receiver<Option<String>>,
}

/// How a process that was meant to end did so.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn command(folder: &Path, arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(HOOKLINE);
    command.args(arguments);
    at_home(command, folder, environment)
}

/// In a folder and an environment of its own, and no longer than the test.
fn at_home(mut command: Command, folder: &Path, environment: &Environment) -> Command {
    command
        .current_dir(folder)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs `hookline` to its end.
pub(crate) async fn run(folder: &Path, arguments: &[&str], environment: &Environment) -> Ended {
    let output = command(folder, arguments, environment).output();
    let output = tokio::time::timeout(SOON, output).await;
    let output = output.expect("it did not end").unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Process {
    /// Starts `hookline` and waits for the line that says it runs.
    pub(crate) async fn start(folder: &Path, role: &str, environment: &Environment) -> Self {
        let arguments: &[&str] = if role.is_empty() { &[] } else { &[role] };
        let process = Self::spawn(command(folder, arguments, environment), role);
        process.ready(role).await
    }

    /// Starts `hookline` with these words and waits for the line that says it listens.
    pub(crate) async fn start_with(
        folder: &Path,
        words: &[&str],
        environment: &Environment,
    ) -> Self {
        let process = Self::spawn(command(folder, words, environment), "");
        process.ready("").await
    }

    /// Starts `hookline` where no file can grow beyond `blocks` of 512 bytes, as on a disk that is full
    /// then; [`make_room`](Self::make_room) ends that.
    pub(crate) async fn start_on_a_small_disk(
        folder: &Path,
        blocks: u32,
        environment: &Environment,
    ) -> Self {
        let limited = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\"");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &limited, HOOKLINE]);
        let command = at_home(command, folder, environment);
        Self::spawn(command, "").ready("").await
    }

    /// Starts `hookline` as process 1 of a space of its own, by a line of shell that ends in `exec "$0"`. What runs here is
    /// the parent of that space.
    pub(crate) async fn start_as_process_1(
        folder: &Path,
        line: &str,
        environment: &Environment,
    ) -> Self {
        let mut command = Command::new("unshare");
        command
            .args([
                "--user",
                "--map-root-user",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["/bin/sh", "-c", line, HOOKLINE]);
        let command = at_home(command, folder, environment);
        Self::spawn(command, "").ready("").await
    }

    pub(crate) fn make_room(&self) {
        let unlimited = Rlimit {
            current: None,
            maximum: None,
        };
        prlimit(Some(self.pid()), Resource::Fsize, unlimited).unwrap();
    }

    /// Starts `hookline` and does not wait.
    pub(crate) fn begin(folder: &Path, environment: &Environment) -> Self {
        Self::spawn(command(folder, &[], environment), "")
    }

    /// Waits for the line that says that it runs.
    async fn ready(mut self, role: &str) -> Self {
        let ready = tokio::time::timeout(SOON, self.address.wait_for(Option::is_some)).await;
        if !ready.is_ok_and(|ready| ready.is_ok()) {
            panic!("hookline {role} did not start:\n{}", self.log());
        }
        self
    }

    fn spawn(mut command: Command, role: &str) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (started, address) = watch::channel(None);
        let stderr = child.stderr.take().unwrap();
        let sign = match role {
            "consumer" => "consumer started",
            _ => "listening on ",
        };
        let reader = tokio::spawn(listen(stderr, sign, log.clone(), started));
        Self {
            child,
            reader,
            log,
            address,
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        self.address.borrow().clone().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        Pid::from_raw(pid).unwrap()
    }

    /// Waits for its end, and for the end of its log; returns its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(SOON, self.child.wait()).await;
        let code = status.expect("it did not end").unwrap().code();
        // Who has inherited its standard error may hold it open.
        if !self.reader.is_finished() {
            let _ = tokio::time::timeout(SOON, &mut self.reader).await;
        }
        code
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Keeps the log, and looks in it for `sign`; what follows it is where the process listens.
async fn listen(
    stderr: impl AsyncRead + Unpin,
    sign: &'static str,
    log: Arc<Mutex<String>>,
    started: watch::Sender<Option<String>>,
) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once(sign) {
            // What follows an address are the line's fields.
            let address = rest.split(' ').next().unwrap_or_default();
            let _ = started.send(Some(address.to_owned()));
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}
