//! A private PostgreSQL, and databases of one's own on any PostgreSQL.

mod binaries;
mod clock;
#[cfg(feature = "databases")]
mod database;
mod small_disk;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

#[cfg(feature = "databases")]
pub use self::database::{create_database, drop_database};
use self::{binaries::Binaries, clock::Clock, small_disk::SmallDisk};
pub use self::{binaries::installed, clock::obstacle as clock_obstacle};
use crate::{
    folder::Folder,
    ports,
    process::{LOOK_EVERY, Process, Running, run, tail},
    tls::Certificates,
};

/// The name of the server's process and log.
const POSTGRES: &str = "postgres";

/// How long a start may take, the recovery after a crash included.
const START: Duration = Duration::from_secs(60);

const MAX_CONNECTIONS: u16 = 200;

/// The files with the server's certificate and key.
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// How a private server differs from the usual.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// With these the server accepts TLS too, and shows `cert`; without, plain connections only.
    pub tls: Option<Certificates>,
    /// With this the data is on a disk of its own, of so many MiB, which [`Server::fill_disk`] fills. Root only.
    pub small_disk_mib: Option<u32>,
    /// With this the server has a clock of its own, which [`Server::set_clock`] sets. Needs libfaketime.
    pub own_clock: bool,
}

/// A PostgreSQL of one's own on 127.0.0.1, as durable as a real one (`fsync` is on), which everybody may enter as
/// `postgres`. Dropping it crashes it and removes its data.
pub struct Server {
    // Dropped in this order: the process ends before its folder goes.
    process: Running,
    small_disk: Option<SmallDisk>,
    clock: Option<Clock>,
    folder: Folder,
    binaries: Binaries,
    port: u16,
    tls: bool,
}

impl Server {
    /// Starts a new, empty server, and returns once it accepts connections.
    pub async fn start(options: Options) -> Result<Self> {
        let binaries = Binaries::find().context("PostgreSQL's server is not installed")?;
        ports::retry(async || Self::start_on_free_port(&options, binaries.clone()).await).await
    }

    async fn start_on_free_port(options: &Options, binaries: Binaries) -> Result<Self> {
        let mut folder = Folder::new("hookline-postgres-")?;
        if let Some(certificates) = &options.tls {
            copy_for_server(&certificates.cert, &folder.path().join(CERTIFICATE))?;
            copy_for_server(&certificates.key, &folder.path().join(KEY))?;
        }
        let clock = match options.own_clock {
            true => Some(Clock::new(folder.path())?),
            false => None,
        };
        if binaries.need_own_user() {
            let mut chown = Command::new("chown");
            chown.args(["-R", "postgres:"]).arg(folder.path());
            run(chown)
                .await
                .context("as root there must be a user postgres")?;
        }
        let data = folder.path().join("data");
        let small_disk = match options.small_disk_mib {
            Some(mib) => Some(SmallDisk::mount(&mut folder, &data, mib).await?),
            None => None,
        };
        let mut initdb = binaries.command("initdb");
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]);
        // Only the empty data folder is not flushed; the server itself flushes as always.
        initdb.args(["--no-sync", "-D"]).arg(data);
        if let Some(disk) = &small_disk {
            initdb = disk.inside(&initdb);
        }
        initdb.current_dir(folder.path());
        run(initdb).await?;

        let mut server = Self {
            process: Running::default(),
            small_disk,
            clock,
            folder,
            binaries,
            port: ports::free()?,
            tls: options.tls.is_some(),
        };
        server.start_again().await?;
        Ok(server)
    }

    /// The URL of `database` on this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Whether the server's process is there.
    pub fn runs(&mut self) -> Result<bool> {
        self.process.is_there()
    }

    /// Leaves no byte free on the server's small disk.
    pub fn fill_disk(&self) -> Result<()> {
        self.disk()?.fill()
    }

    /// Gives the space back.
    pub fn free_disk(&self) -> Result<()> {
        self.disk()?.free()
    }

    /// Sets the server's own clock ahead by so many seconds.
    pub fn set_clock(&self, ahead_s: i32) -> Result<()> {
        let clock = self.clock.as_ref();
        clock
            .context("this PostgreSQL has no clock of its own")?
            .set(ahead_s)
    }

    fn disk(&self) -> Result<&SmallDisk> {
        let disk = self.small_disk.as_ref();
        disk.context("this PostgreSQL has no small disk")
    }

    /// A command that runs one of PostgreSQL's own programs as the server's user.
    pub fn program(&self, name: &str) -> Command {
        self.binaries.command(name)
    }

    /// Makes an empty database with a name of its own and returns its URL.
    #[cfg(feature = "databases")]
    pub async fn create_database(&self) -> Result<String> {
        create_database(&self.url("postgres")).await
    }

    /// The server's process number, unless it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Stops the server in good order: clients are cut off, everything is written. Nothing if it is stopped already.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.end(Signal::INT).await
    }

    /// Crashes the server: it leaves at once, and recovers from its log when it starts again.
    pub async fn kill(&mut self) -> Result<()> {
        // Not SIGKILL, which would leave shared memory behind; for the data it is the same.
        self.process.end(Signal::QUIT).await
    }

    /// `kill -9` on the server alone: its sessions notice by themselves. What it leaves in shared memory, the next start
    /// clears up.
    pub async fn kill_hard(&mut self) -> Result<()> {
        self.process.end(Signal::KILL).await
    }

    /// Starts a stopped or crashed server on the same port with the same data, and returns once it accepts connections.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_stopped(), "PostgreSQL runs already");
        let clock = self.clock.as_ref().map(Clock::variables);
        let clock = clock.as_ref().map_or(&[][..], |variables| variables);
        let mut command = self.binaries.command_with(POSTGRES, clock);
        let folder = self.folder.path().display();
        command.arg("-D").arg(self.folder.path().join("data"));
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".into(),
            format!("unix_socket_directories={folder}"),
            format!("max_connections={MAX_CONNECTIONS}"),
        ];
        if self.tls {
            settings.push("ssl=on".into());
            settings.push(format!("ssl_cert_file={folder}/{CERTIFICATE}"));
            settings.push(format!("ssl_key_file={folder}/{KEY}"));
        }
        if self.small_disk.is_some() {
            settings.push("max_wal_size=48MB".into());
            settings.push("min_wal_size=32MB".into());
        }
        for setting in settings {
            command.args(["-c", &setting]);
        }
        if let Some(disk) = &self.small_disk {
            command = disk.inside(&command);
        }
        let process = Process::spawn(POSTGRES, command, &mut self.folder, Signal::QUIT)?;
        let process = self.when_ready(process).await?;
        self.process.started(process);
        Ok(())
    }

    /// Gives `process` back once it accepts connections; ends it if it never does.
    async fn when_ready(&self, mut process: Process) -> Result<Process> {
        let log = self.folder.log(POSTGRES);
        let ready = async {
            loop {
                if let Some(status) = process.exited()? {
                    bail!("PostgreSQL did not start ({status}): {}", tail(&log));
                }
                if self.says_ready(process.id()) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(START, ready).await {
            Ok(outcome) => outcome.map(|()| process),
            Err(_) => bail!("PostgreSQL did not start within {START:?}: {}", tail(&log)),
        }
    }

    /// The data folder as this process can reach it.
    fn data(&self) -> PathBuf {
        match &self.small_disk {
            Some(disk) => disk.data(),
            None => self.folder.path().join("data"),
        }
    }

    /// Whether the server `pid` accepts connections, by the file where `pg_ctl` reads it too: the process number is in
    /// line 1 (after a crash the file of the one before is still there), the state in line 8.
    fn says_ready(&self, pid: u32) -> bool {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
    }
}

/// Copies a certificate or key so that only the owner can read it: PostgreSQL refuses a key that others can read.
fn copy_for_server(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
