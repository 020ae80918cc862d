//! What is told of the process: its version, and what it is connected to.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use meter::{Figures, Page};
use queue::Queue;
use sea_orm::{DatabaseConnection, DbBackend};

use crate::role::Role;

/// The commit that this was built from, if whoever built it has said so.
const REVISION: &str = match option_env!("HOOKLINE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

pub struct Process {
    role: Role,
    queue: Queue,
    /// The pools by their purpose.
    pools: Vec<(&'static str, DatabaseConnection)>,
    /// Whether the last statement that was made to see has succeeded.
    has_database: AtomicBool,
}

impl Process {
    pub fn new(role: Role, queue: Queue, pools: Vec<(&'static str, DatabaseConnection)>) -> Self {
        Self {
            role,
            queue,
            pools,
            // It has just been checked.
            has_database: AtomicBool::new(true),
        }
    }

    /// The database has answered, or has not.
    pub fn database_answered(&self, answered: bool) {
        self.has_database.store(answered, Ordering::Relaxed);
    }
}

impl Figures for Process {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = ("version", env!("CARGO_PKG_VERSION"));
        page.gauges(
            ("hookline_build_info", "1, of the version that runs"),
            [([version, ("revision", REVISION)], 1.0)],
        )?;
        let role = match self.role {
            Role::Everything => "everything",
            Role::Api => "api",
            Role::Consumer => "consumer",
        };
        // A consumer's lease says more of its database.
        let database = self.role.has_api().then(|| {
            let has_database = self.has_database.load(Ordering::Relaxed);
            ([("role", role), ("to", "database")], number(has_database))
        });
        let broker = (
            [("role", role), ("to", "broker")],
            number(self.queue.is_up()),
        );
        page.gauges(
            (
                "hookline_connected",
                "Whether this process has what it needs: 1 or 0",
            ),
            [broker].into_iter().chain(database),
        )?;
        let connections = self.pools.iter().flat_map(|(pool, db)| {
            let [idle, used] = connections(db);
            [
                ([("pool", *pool), ("state", "idle")], idle),
                ([("pool", *pool), ("state", "used")], used),
            ]
        });
        page.gauges(
            (
                "hookline_database_connections",
                "Connections to the database",
            ),
            connections,
        )
    }
}

fn number(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// The idle ones, and those in use.
fn connections(db: &DatabaseConnection) -> [f64; 2] {
    let (size, idle) = match db.get_database_backend() {
        DbBackend::Postgres => {
            let pool = db.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        }
        _ => {
            let pool = db.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        }
    };
    let idle = idle as f64;
    [idle, (f64::from(size) - idle).max(0.0)]
}
