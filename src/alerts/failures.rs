//! Transactions that have become `FAILED`, grouped by what they have in common.

use api::failures::grouped;
use entity::lifecycle::failed::{PORTION, failed_between};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::{Value, json};

pub const KIND: &str = "hookline.transactions.failed";
/// Portions that are read for one event: 10,000 failures. Of more it is said that there are more.
const PORTIONS_MAX: usize = 10;
/// Groups that are told.
const GROUPS_MAX: usize = 20;
/// A failure is stamped when its statement begins, and seen when that has committed.
const SETTLED_AFTER_MS: i64 = 7_000;

/// What has failed since `from` and, as far as it is certain to be seen, until `now`.
pub async fn gather(
    db: &DatabaseConnection,
    from: i64,
    now: i64,
) -> Result<Option<(i64, Value)>, DbErr> {
    let to = now - SETTLED_AFTER_MS;
    if to <= from {
        return Ok(None);
    }
    let (mut all, mut more) = (Vec::new(), false);
    for portion in 0..PORTIONS_MAX {
        let failed = failed_between(db, (from, to), portion).await?;
        more = failed.len() == PORTION;
        all.extend(failed);
        if !more {
            break;
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    let count = all.len();
    let mut groups = grouped(all);
    groups.truncate(GROUPS_MAX);
    Ok(Some((
        to,
        json!({"count": count, "more": more, "groups": groups}),
    )))
}
