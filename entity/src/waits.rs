//! How long statements wait for a connection of their pool: until somebody gives one back, until one that has rested was
//! tried, or until a new one is made.
//!
//! A statement is handed its pool and nothing else, and a pool carries nothing of ours: what is measured is known by where
//! the pool is.

use std::{
    ptr,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use meter::{Buckets, Histogram, Snapshot};
use sea_orm::{
    DatabaseConnection, DbBackend,
    sqlx::{Database, Pool},
};

/// In microseconds. An idle connection is there within the first; 2 s is as long as any pool lets somebody wait.
const WAITS: Buckets = Buckets::micros(&[
    100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000,
]);

/// The pools that are measured: three or so.
static MEASURED: RwLock<Vec<(Address, Arc<Histogram>)>> = RwLock::new(Vec::new());

/// Where a pool is: as long as one of its clones is there, no other pool is.
type Address = usize;

/// What the statements on one pool have waited, from the beginning of this to its end. It must not outlive the pool.
#[derive(Debug)]
pub struct Waits(Arc<Histogram>);

impl Waits {
    /// Measures from now on.
    pub fn of(db: &DatabaseConnection) -> Self {
        let pool = match db.get_database_backend() {
            DbBackend::Postgres => address(db.get_postgres_connection_pool()),
            _ => address(db.get_sqlite_connection_pool()),
        };
        let lengths = Arc::new(Histogram::new(WAITS));
        let mut measured = MEASURED.write().unwrap_or_else(PoisonError::into_inner);
        measured.push((pool, lengths.clone()));
        Self(lengths)
    }

    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut measured = MEASURED.write().unwrap_or_else(PoisonError::into_inner);
        measured.retain(|(_, lengths)| !Arc::ptr_eq(lengths, &self.0));
    }
}

/// Whoever has wanted a connection of this pool since then has one now, or waits no longer.
pub(crate) fn ended<D: Database>(pool: &Pool<D>, since: Instant) {
    let waited = since.elapsed();
    let pool = address(pool);
    let measured = MEASURED.read().unwrap_or_else(PoisonError::into_inner);
    for (_, lengths) in measured.iter().filter(|(of, _)| *of == pool) {
        lengths.took(waited);
    }
}

/// All clones of a pool have the same options, which are no other pool's.
fn address<D: Database>(pool: &Pool<D>) -> Address {
    ptr::from_ref(pool.options()).addr()
}
