//! Writes the ledger.

use std::time::Duration;

use entity::lifecycle::refusals;
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;

use super::{Lines, counts::Counts, with};

/// Lines that one statement writes.
const LINES_MAX: usize = 256;
/// From one statement to the next: webhooks come first.
const PAUSE: Duration = Duration::from_secs(1);
/// From one line in the log to the next, of what was not or cannot be written.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Writes lines until the last [`Ledger`](super::Ledger) is dropped; then those that still wait, and ends.
pub(crate) async fn run(db: DatabaseConnection, mut lines: Lines, stop: CancellationToken) {
    let mut waiting = Vec::with_capacity(LINES_MAX);
    let mut tell = tokio::time::interval(TELL_EVERY);
    let mut is_told = false;
    loop {
        tokio::select! {
            count = lines.lines.recv_many(&mut waiting, LINES_MAX) => {
                if count == 0 {
                    return;
                }
                if let Err(error) = refusals::record(&db, &waiting).await
                    && !std::mem::replace(&mut is_told, true)
                {
                    tracing::warn!(event = "ledger_failed", %error, lines = count, "refusals were not written");
                }
                waiting.clear();
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.cancelled() => {}
                }
            }
            _ = tell.tick() => {
                is_told = false;
                for (source, count, reasons) in with(&lines.counts, Counts::take_not_written) {
                    tracing::warn!(event = "refusals_not_written", source, count, reasons, "more webhooks were refused than are written");
                }
            }
        }
    }
}
