//! What is told of the process: its version, and what it is connected to.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use entity::Waits;
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
    pools: Vec<Pool>,
    /// Whether the last statement that was made to see has succeeded.
    has_database: AtomicBool,
}

/// A pool of connections to the database.
struct Pool {
    purpose: &'static str,
    waits: Waits,
    db: DatabaseConnection,
}

impl Process {
    /// The pools by their purpose.
    pub fn new(role: Role, queue: Queue, pools: Vec<(&'static str, DatabaseConnection)>) -> Self {
        let pools = pools.into_iter().map(|(purpose, db)| Pool {
            purpose,
            waits: Waits::of(&db),
            db,
        });
        Self {
            role,
            queue,
            pools: pools.collect(),
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
        self.write_pools(page)
    }
}

impl Process {
    fn write_pools(&self, page: &mut Page<'_>) -> fmt::Result {
        let connections = self.pools.iter().flat_map(|pool| {
            let [idle, used] = connections(&pool.db);
            [
                ([("pool", pool.purpose), ("state", "idle")], idle),
                ([("pool", pool.purpose), ("state", "used")], used),
            ]
        });
        page.gauges(
            (
                "hookline_database_connections",
                "Connections to the database",
            ),
            connections,
        )?;
        let waits = self.pools.iter();
        let waits = waits.map(|pool| ([("pool", pool.purpose)], pool.waits.snapshot()));
        page.histograms(
            (
                "hookline_database_wait_seconds",
                "How long each statement waited for a connection of its pool",
            ),
            waits,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meter::{Format, Registry};
    use sea_orm::{ConnectOptions, Database, TransactionTrait as _};

    use super::*;

    #[tokio::test]
    async fn a_process_tells_what_it_is_connected_to() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        let db = Database::connect(options).await.unwrap();
        // The pool takes back what connecting has used when it comes to it.
        while db.get_sqlite_connection_pool().num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        let queue = Queue::Memory(queue::memory::Queue::new());
        let process = Arc::new(Process::new(Role::Api, queue, vec![("api", db.clone())]));
        let registry = Registry::default();
        registry.add(process.clone());
        let tells = |lines: [&str; 3]| {
            let text = registry.text(Format::Prometheus).unwrap();
            for line in lines {
                assert!(text.lines().any(|told| told == line), "{line}\n{text}");
            }
        };
        tells([
            "hookline_connected{role=\"api\",to=\"database\"} 1.0",
            "hookline_database_connections{pool=\"api\",state=\"idle\"} 1.0",
            "hookline_database_connections{pool=\"api\",state=\"used\"} 0.0",
        ]);
        process.database_answered(false);
        let held = db.begin().await.unwrap();
        tells([
            "hookline_connected{role=\"api\",to=\"database\"} 0.0",
            "hookline_database_connections{pool=\"api\",state=\"idle\"} 0.0",
            "hookline_database_connections{pool=\"api\",state=\"used\"} 1.0",
        ]);
        held.rollback().await.unwrap();
    }
}
