//! Connections that are kept while nobody uses them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::connection::Connection;

/// Connections that are kept at once.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// How long connections are kept and used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long a connection is kept that nobody uses. Less than what services and what is between usually
    /// allow, so that we are the first to close it: the other way round a request can be lost in the closing.
    pub(super) idle: Duration,
    /// How long a connection is used at all, at most. After it the name is looked up anew, so that a service
    /// that has moved, or whose load balancer has new machines behind it, is followed.
    pub(super) lifetime: Duration,
}

impl Limits {
    pub(super) const USUAL: Self = Self {
        idle: Duration::from_secs(20),
        lifetime: Duration::from_secs(5 * 60),
    };
}

/// Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    idle_max: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The one that has been kept longest comes first.
    connections: Vec<Idle>,
    /// A task closes those that nobody uses.
    is_watched: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Idle {
    /// Whether it may be used still, and is there still.
    fn is_of_use(&mut self, idle_max: Duration, now: Instant) -> bool {
        now < (self.since + idle_max).min(self.connection.expires) && self.connection.is_ready()
    }
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            idle_max: limits.idle,
            kept: Mutex::default(),
        }))
    }

    /// The connection that was used last, if it may and can take a request: so in quiet times those that are
    /// too many are left to grow old.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let mut idle = self.0.kept().connections.pop()?;
            if idle.is_of_use(self.0.idle_max, Instant::now()) {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection, if it can take another request.
    pub(super) fn put(&self, mut connection: Connection) {
        let since = Instant::now();
        if !connection.is_ready() {
            return;
        }
        let mut kept = self.0.kept();
        if kept.connections.len() >= IDLE_CONNECTIONS_MAX {
            return;
        }
        kept.connections.push(Idle { connection, since });
        if !std::mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(&self.0)));
        }
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic leaves the list as it should be.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what is over, or has been closed by the other side.
    fn sweep(&self) {
        let now = Instant::now();
        let mut kept = self.kept();
        kept.connections
            .retain_mut(|idle| idle.is_of_use(self.idle_max, now));
    }
}

/// Ends when the pool is gone.
async fn watch(pool: Weak<Inner>) {
    while let Some(pool) = pool.upgrade() {
        pool.sweep();
        let every = pool.idle_max / 4;
        drop(pool);
        sleep(every).await;
    }
}
