//! Whether the database has the schema and takes writes: found out by writing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::lifecycle::read;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::Mutex;

use crate::problem::FieldError;

/// From the question to the answer.
const WITHIN: Duration = Duration::from_secs(2);
/// An answer is good for this long: asking often must not become writing often.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// What the database lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Migrations of these names.
    Schema(String),
    /// An answer.
    Answer,
    /// It takes no writes: it may be a standby, or have no room.
    Writes,
}

/// Asks the database, at most one question at a time.
pub(super) struct Probe {
    db: DatabaseConnection,
    writes: bool,
    last: Arc<Mutex<Option<Known>>>,
}

/// An answer, and when it came.
struct Known {
    at: Instant,
    found: Result<(), Lack>,
}

impl Probe {
    /// Without `writes` it is asked for its schema alone.
    pub(super) fn new(db: DatabaseConnection, writes: bool) -> Self {
        Self {
            db,
            writes,
            last: Arc::default(),
        }
    }

    /// What the database lacks, if anything.
    pub(super) async fn look(&self) -> Result<(), Lack> {
        let (db, writes, last) = (self.db.clone(), self.writes, self.last.clone());
        // A task, because whoever asks may leave, and a write must not be dropped half-way.
        let asking = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some(Known { at, found }) = &*last
                && at.elapsed() < GOOD_FOR
            {
                return found.clone();
            }
            let found = ask(&db, writes).await;
            let was = last.replace(Known {
                at: Instant::now(),
                found: found.clone(),
            });
            log_change(was.map_or(Ok(()), |was| was.found), &found);
            found
        });
        match tokio::time::timeout(WITHIN, asking).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err(Lack::Answer),
        }
    }
}

async fn ask(db: &DatabaseConnection, writes: bool) -> Result<(), Lack> {
    let applied = read::migrations(db).await.map_err(lack)?;
    let mut pending = migration::needed();
    pending.retain(|name| !applied.contains(name));
    if !pending.is_empty() {
        return Err(Lack::Schema(pending.join(", ")));
    }
    match writes {
        true => read::try_write(db).await.map_err(lack),
        false => Ok(()),
    }
}

fn lack(error: DbErr) -> Lack {
    tracing::debug!(%error, "not ready");
    match error {
        DbErr::Query(sea_orm::RuntimeErr::SqlxError(error))
            if error.as_database_error().is_some() =>
        {
            Lack::Writes
        }
        _ => Lack::Answer,
    }
}

/// Logs what has changed.
fn log_change(was: Result<(), Lack>, is: &Result<(), Lack>) {
    match is {
        _ if was == *is => {}
        Ok(()) => tracing::info!(event = "ready", "the database is there again"),
        Err(lack) => {
            let FieldError { field, reason } = lack.clone().into();
            tracing::warn!(event = "not_ready", "not ready: {field} {reason}");
        }
    }
}

impl From<Lack> for FieldError {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Schema(pending) => FieldError::new(
                "schema",
                format!("lacks {pending}; run hookline migrate up"),
            ),
            Lack::Answer => FieldError::new("database", "does not answer"),
            Lack::Writes => FieldError::new("database", "takes no writes just now"),
        }
    }
}
