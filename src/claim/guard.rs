//! Looks after a claimed file while the process runs.

use std::time::Duration;

use api::{FileWatch, file_watch::Misplaced};
use sea_orm::{
    DatabaseConnection,
    sqlx::{self, SqliteConnection},
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::change_counter;

/// Between two looks at the file. As long may work be finished in a file that is no longer in its place; a webhook is
/// answered only after a look of its own.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two times that the change counter is raised, while anything is committed: by how much a copy of the bytes must be
/// older to be told from the file. Each costs the writer what it has in its cache.
const RAISE_EVERY: Duration = Duration::from_secs(10);
/// Between the line that says why the process ends and its end: what waits for an answer gets it.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// Looks after `file` until `stop`, and gives back the `anchor`. Ends the process if the file is no longer in its place.
pub async fn run(
    mut anchor: SqliteConnection,
    file: FileWatch,
    write: DatabaseConnection,
    stop: CancellationToken,
) -> SqliteConnection {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_unknown = false;
    let mut raised = Instant::now();
    let mut version = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return anchor,
            _ = looks.tick() => {}
        }
        match file.look() {
            Ok(()) => is_unknown = false,
            // Nobody is answered with 202 meanwhile.
            Err(error @ Misplaced::Unknown(..)) if !is_unknown => {
                tracing::error!(event = "guard_failed", %error, "the database cannot be looked after; accepting nothing");
                is_unknown = true;
            }
            Err(Misplaced::Unknown(..)) => {}
            Err(error) => end(error, &mut anchor, &file, &write).await,
        }
        if raised.elapsed() >= RAISE_EVERY {
            raised = Instant::now();
            if let Err(error) = raise(&mut anchor, &mut version).await {
                tracing::debug!(%error, "the change counter was not raised");
            }
        }
    }
}

/// Raises the change counter if others have committed since `version`.
async fn raise(anchor: &mut SqliteConnection, version: &mut Option<i64>) -> sqlx::Result<()> {
    let query = sqlx::query_scalar("PRAGMA data_version");
    let present: i64 = query.fetch_one(&mut *anchor).await?;
    if *version != Some(present) {
        change_counter::raise(anchor).await?;
        *version = Some(present);
    }
    Ok(())
}

/// Ends the process. To go on would be to work where nobody looks, and there is no way back: SQLite cannot be told to open
/// another file, and this one may be gone for good. At once, and with no connection closed but the writer: closing the last one
/// would move the log into whatever lies there now.
async fn end(
    error: Misplaced,
    anchor: &mut SqliteConnection,
    file: &FileWatch,
    write: &DatabaseConnection,
) -> ! {
    tracing::error!(event = "database_gone",
        %error,
        "the database is no longer in its place; ending, because nobody would find what is committed to it from now on; \
         before the next start, which takes what it finds there and else begins an empty one, put it back, with its -wal and \
         -shm (docs/operations/SQLITE.md)"
    );
    let close = tokio::time::timeout(ANSWER_WITHIN, write.close_by_ref());
    let _ = tokio::join!(close, tokio::time::sleep(ANSWER_WITHIN));
    if file.has_lost_its_log_only() {
        // What is in the log has no name any more, and the database has: save it.
        let save = sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(anchor);
        if let Err(error) = save.await {
            tracing::error!(event = "log_not_saved", %error, "what was in the log was not saved");
        }
    }
    crate::logging::exit(1)
}
