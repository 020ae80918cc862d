//! Where PostgreSQL's server is installed, and as whom it may run.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::geteuid;

use crate::process::clean;

/// Where Debian and Ubuntu install one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Whether a private server can be started here.
pub fn installed() -> bool {
    Binaries::find().is_some()
}

/// The folder with `initdb` and `postgres`.
#[derive(Clone)]
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// Asks `pg_config`, which may belong to the client library alone; then takes the newest of [`DEBIAN`].
    pub(super) fn find() -> Option<Self> {
        let asked = Command::new("pg_config")
            .arg("--bindir")
            .stderr(Stdio::null())
            .output()
            .ok();
        let asked =
            asked.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        asked
            .filter(|bin| has_server(bin))
            .or_else(newest)
            .map(Self)
    }

    /// Whether the server must run as the user `postgres`: it refuses to run as root.
    pub(super) fn need_own_user(&self) -> bool {
        geteuid().is_root()
    }

    /// A command that runs one of the binaries as the right user.
    pub(super) fn command(&self, program: &str) -> Command {
        self.command_with(program, &[])
    }

    /// The same with these variables, for the binary and not for what leads to it.
    pub(super) fn command_with(&self, program: &str, variables: &[(&str, OsString)]) -> Command {
        let program = self.0.join(program);
        if !self.need_own_user() {
            let mut command = clean(program);
            command.envs(variables.iter().map(|(name, value)| (name, value)));
            return command;
        }
        // setpriv becomes the program, so that the child's number is the server's.
        let mut command = clean("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg("env");
        for (name, value) in variables {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            command.arg(variable);
        }
        command.arg(program);
        command
    }
}

fn has_server(bin: &Path) -> bool {
    bin.join("initdb").is_file() && bin.join("postgres").is_file()
}

fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten();
    let by_version = versions.filter_map(|entry| {
        Some((
            entry.file_name().to_str()?.parse::<u32>().ok()?,
            entry.path(),
        ))
    });
    let mut found: Vec<_> = by_version
        .map(|(version, path)| (version, path.join("bin")))
        .collect();
    found.sort();
    found
        .into_iter()
        .rev()
        .map(|(_, bin)| bin)
        .find(|bin| has_server(bin))
}
