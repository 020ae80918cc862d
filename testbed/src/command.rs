//! The command that runs on the servers.

use std::{
    ffi::OsString,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::signals::{Signals, exit_code};

/// How long the command may take to end after a signal before it is killed.
const OBEY: Duration = Duration::from_secs(10);

/// Runs `command` with `variables` added to the environment and nothing on its standard input, and returns its exit
/// code. A signal is passed on to everything that the command has started and not put into a group of its own.
pub(crate) async fn run(
    command: &[OsString],
    variables: &[(&str, &str)],
    signals: &mut Signals,
) -> Result<u8> {
    let (program, arguments) = command
        .split_first()
        .context("there is no command to run")?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(id.cast_signed()))
        .context("the command has no number")?;

    let signal = tokio::select! {
        status = child.wait() => return Ok(code_of(status?)),
        signal = signals.next() => signal,
    };
    // An error says that everything has ended by itself.
    let _ = kill_process_group(group, signal);
    tokio::select! {
        _ = child.wait() => {}
        _ = tokio::time::sleep(OBEY) => {}
        _ = signals.next() => {}
    }
    // The command may be gone while what it started is not.
    let _ = kill_process_group(group, Signal::KILL);
    child.wait().await?;
    Ok(exit_code(signal.as_raw()))
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.or_else(|| status.signal().map(exit_code))
        .unwrap_or(u8::MAX)
}
