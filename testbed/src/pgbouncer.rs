//! A private PgBouncer, the pooler that most providers of PostgreSQL put before it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Signal, geteuid};

use crate::{
    folder::Folder,
    ports, postgres,
    process::{Process, clean, search_path},
};

/// The name of the process and of its log.
const PGBOUNCER: &str = "pgbouncer";

/// Where Debian has it, and not every user's `PATH` leads.
const DEBIAN: &str = "/usr/sbin";

/// How long a start may take.
const START: Duration = Duration::from_secs(20);

/// When a client gets a session, and for how long.
#[derive(Clone, Copy, Debug)]
pub enum PoolMode {
    /// For as long as it is connected.
    Session,
    /// For each transaction.
    Transaction,
}

/// A PgBouncer of one's own before a PostgreSQL of one's own, on 127.0.0.1, as it is by default: it refuses parameters of a
/// startup packet that it does not know. Dropping it ends it.
pub struct Pooler {
    // Dropped in this order: the process ends before its folder goes.
    _process: Process,
    _folder: Folder,
    port: u16,
}

/// Whether one can be started here.
pub fn installed() -> bool {
    binary().is_some()
}

fn binary() -> Option<PathBuf> {
    let path = search_path();
    std::env::split_paths(&path)
        .chain([PathBuf::from(DEBIAN)])
        .map(|folder| folder.join(PGBOUNCER))
        .find(|binary| binary.is_file())
}

impl Pooler {
    /// Starts it before `server`, with at most `pool_size` sessions for each database, and returns once it accepts connections.
    pub async fn start(server: &postgres::Server, mode: PoolMode, pool_size: u16) -> Result<Self> {
        let binary = binary().context("PgBouncer is not installed")?;
        ports::retry(async || start_on_free_port(&binary, server.port(), mode, pool_size).await)
            .await
    }

    /// Where it leads to `database`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn start_on_free_port(
    binary: &Path,
    server: u16,
    mode: PoolMode,
    pool_size: u16,
) -> Result<Pooler> {
    let mut folder = Folder::new("hookline-pgbouncer-")?;
    let port = ports::free()?;
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    let settings = folder.path().join("pgbouncer.ini");
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = {mode}\ndefault_pool_size = {pool_size}\nquery_wait_timeout = 3\n"
    );
    fs::write(&settings, text)?;
    let mut command = clean(binary);
    if geteuid().is_root() {
        // It refuses to run as root, but will read its settings as such.
        command.args(["-u", "postgres"]);
    }
    command.arg(&settings);
    let mut process = Process::spawn(PGBOUNCER, command, &mut folder, Signal::INT)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let log = folder.log(PGBOUNCER);
    let listens = process.listens(address, START, &log).await;
    listens.context("PgBouncer did not start")?;
    Ok(Pooler {
        _process: process,
        _folder: folder,
        port,
    })
}
