//! Writes the ledger, and forgets its oldest lines.

use std::time::Duration;

use entity::lifecycle::refusals;
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;

use super::{Lines, counts::Counts, with};

/// Lines that one statement writes.
const LINES_MAX: usize = 256;
/// From one statement to the next: webhooks come first.
const PAUSE: Duration = Duration::from_secs(1);
/// What is forgotten: lines that are older, and all but the newest so many.
const KEEP_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const KEEP_COUNT: u32 = 1_000_000;
/// From one look for those to the next; and from one line in the log to the next, of what was not or cannot be written.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Writes lines until the last [`Ledger`](super::Ledger) is dropped; then those that still wait, and ends.
pub(crate) async fn run(db: DatabaseConnection, mut lines: Lines, stop: CancellationToken) {
    let mut waiting = Vec::with_capacity(LINES_MAX);
    let mut forget = tokio::time::interval(FORGET_EVERY);
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
            _ = forget.tick() => {
                if let Err(error) = refusals::forget(&db, KEEP_FOR, KEEP_COUNT).await {
                    tracing::warn!(event = "ledger_failed", %error, "old refusals were not forgotten");
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
