//! A server's temporary folder, and the guardian that clears up when this process no longer can.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tempfile::TempDir;

/// A folder that lives as long as this value, or as this process, whichever ends first.
///
/// Beside it runs a small shell, the guardian, that reads from a pipe which only this process holds open. However this
/// process ends (a panic, Ctrl-C, `kill -9`, a static that is never dropped), the pipe closes; then the guardian ends
/// what was started in the folder and removes it.
pub struct Folder {
    directory: TempDir,
    guardian: Child,
}

impl Folder {
    /// Makes an empty folder whose name starts with `prefix`.
    pub fn new(prefix: &str) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .context("cannot make a temporary folder")?;
        let guardian = Command::new("sh")
            .args(["-c", include_str!("guardian.sh"), "testbed-guardian"])
            .arg(directory.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        Ok(Self {
            directory,
            guardian,
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The file with the output of the process called `name`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.log"))
    }

    /// Has the process group `pid` ended with `signal` should this process end first.
    pub fn watch(&mut self, pid: u32, signal: Signal) -> Result<()> {
        let pipe = self
            .guardian
            .stdin
            .as_mut()
            .context("the guardian is gone")?;
        writeln!(pipe, "{} {pid}", signal.as_raw()).context("the guardian is gone")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about an error here, and the folder is removed a second time by its own drop.
        if let Some(mut pipe) = self.guardian.stdin.take() {
            // Whoever waits for the end need not wait until the guardian has looked for more.
            let _ = writeln!(pipe, "all told");
        }
        let _ = self.guardian.wait();
    }
}
