//! Processes of the service, started as an operator would start them.

use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};

/// Long enough for anything that is going to happen on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) type Environment = HashMap<&'static str, String>;

/// A running `hookline`. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    address: watch::Receiver<Option<String>>,
}

/// How a process that was meant to end did so.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn command(folder: &Path, arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookline"));
    command
        .args(arguments)
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
        let mut command = command(folder, arguments, environment);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (started, mut address) = watch::channel(None);
        let stderr = child.stderr.take().unwrap();
        let sign = match role {
            "consumer" => "consumer started",
            _ => "listening on ",
        };
        tokio::spawn(listen(stderr, sign, log.clone(), started));
        let ready = tokio::time::timeout(SOON, address.wait_for(Option::is_some)).await;
        if !ready.is_ok_and(|ready| ready.is_ok()) {
            panic!("hookline {role} did not start:\n{}", log.lock().unwrap());
        }
        Self {
            child,
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
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for its end and returns its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(SOON, self.child.wait()).await;
        status.expect("it did not end").unwrap().code()
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
        if let Some((_, address)) = line.split_once(sign) {
            let _ = started.send(Some(address.to_owned()));
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}
