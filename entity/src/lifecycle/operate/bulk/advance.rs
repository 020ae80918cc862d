//! One portion of one bulk retry.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use uuid::Uuid;

use super::{
    super::{
        super::{count_of, execute, query, retrying, sql},
        reopen::Reopening,
    },
    COLUMNS, Filter,
    filter::{End, READ_MAX, portion},
    one,
};
use crate::{bulk_retry::Model, statement::look_up};

/// Portions a second, about, where the rate allows more than one transaction in each: what is new waits behind a portion.
const PORTIONS_A_SECOND: u64 = 10;
/// Transactions that one statement reopens.
const PORTION_MAX: u64 = 1_000;
/// What was not done in time is made good, but no more of it than of this long.
const BEHIND_MAX: Duration = Duration::from_secs(1);
/// A time that is further ahead than this is from before the clock was set back.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// Looks at failures for one portion: where few match, the next call goes on.
const LOOKS_MAX: usize = 10;

/// What [`advance`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// No bulk retry is running.
    Nothing,
    /// The next portion is due then.
    NotYet { due_in: Duration },
    /// A portion has been reopened, so many of them; the next may be due, unless it was the last.
    Portion {
        bulk: Uuid,
        reopened: u64,
        is_last: bool,
    },
}

/// Reopens the next portion of a running bulk retry that is due. Any number of processes may do so at once.
pub async fn advance(db: &DatabaseConnection) -> Result<Advanced, DbErr> {
    let Some(bulk) = claim(db).await? else {
        return next(db).await;
    };
    let filter = Filter::from_json(&bulk.filter)?;
    let (size, _) = portions(bulk.rate);
    let (mut ids, mut end) = (Vec::new(), End::Next(bulk.next_id));
    // Mostly all match; one more says whether these are the last.
    let mut read = size + 1;
    for _ in 0..LOOKS_MAX {
        let (End::Next(from), true) = (end, ids.len() < size) else {
            break;
        };
        let wanted = (size - ids.len(), std::mem::replace(&mut read, READ_MAX));
        let found = portion(db, &filter, from, Some(bulk.id), wanted).await?;
        ids.extend(found.ids);
        end = found.end;
    }
    let next_id = match end {
        End::Next(next) => next,
        End::All => Uuid::max(),
    };
    let reopened = reopen(db, &bulk, &ids, next_id).await?;
    Ok(Advanced::Portion {
        bulk: bulk.id,
        reopened,
        is_last: end == End::All && finish(db, bulk.id).await?,
    })
}

/// How many make a portion at this rate, and how many milliseconds it lasts.
fn portions(rate: i32) -> (usize, u64) {
    let rate = u64::from(rate.max(1).unsigned_abs());
    let size = rate.div_ceil(PORTIONS_A_SECOND).min(PORTION_MAX);
    (size as usize, size * 1000 / rate)
}

/// The running one that is due first, whose next portion is due later from now on: nobody else has this one for as long as it
/// lasts, and if it comes to nothing others have the next.
async fn claim(db: &DatabaseConnection) -> Result<Option<Model>, DbErr> {
    let now = sql::now_millis(db);
    let due = format!(
        "SELECT {COLUMNS} FROM bulk_retries WHERE state = 'RUNNING' AND (next_at <= {now} OR next_at > {now} + {}) \
         ORDER BY next_at LIMIT 1",
        AHEAD_MAX.as_millis()
    );
    let rows = query(db, sql::statement(db, due, [])).await?;
    let Some(bulk) = one(&rows)? else {
        return Ok(None);
    };
    let (_, lasts) = portions(bulk.rate);
    let claim = format!(
        "UPDATE bulk_retries SET next_at = $3 + \
           CASE WHEN next_at BETWEEN {now} - {} AND {now} THEN next_at ELSE {now} END \
         WHERE id = $1 AND next_at = $2 AND state = 'RUNNING' RETURNING {COLUMNS}",
        BEHIND_MAX.as_millis()
    );
    let lasts = i64::try_from(lasts).unwrap_or(i64::MAX);
    let values = [bulk.id.into(), bulk.next_at.into(), lasts.into()];
    let rows = query(db, sql::statement(db, claim, values)).await?;
    one(&rows)
}

/// When the next portion is due of what runs.
async fn next(db: &DatabaseConnection) -> Result<Advanced, DbErr> {
    let next = format!(
        "SELECT min(next_at) - {} FROM bulk_retries WHERE state = 'RUNNING'",
        sql::now_millis(db)
    );
    let rows = look_up(db, || sql::statement(db, &next, [])).await?;
    let due_in: Option<i64> = match rows.first() {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    Ok(due_in.map_or(Advanced::Nothing, |due_in| Advanced::NotYet {
        due_in: Duration::from_millis(due_in.max(0).unsigned_abs()),
    }))
}

/// Reopens these, and notes that everything below `next_id` has been come by; if nobody else has done so and it still runs.
/// Returns how many were reopened.
async fn reopen(
    db: &DatabaseConnection,
    bulk: &Model,
    ids: &[Uuid],
    next_id: Uuid,
) -> Result<u64, DbErr> {
    let is_its_turn = "id = $2 AND next_id = $3 AND state = 'RUNNING'";
    let in_time = "failed_at < (SELECT failed_before FROM bulk_retries WHERE id = $2)";
    let reopening = match db.get_database_backend() {
        DbBackend::Postgres => Reopening {
            // Whoever cancels it waits for this, or this finds it cancelled.
            before: &format!(
                "turn AS MATERIALIZED (SELECT id FROM bulk_retries WHERE {is_its_turn} FOR NO KEY UPDATE), "
            ),
            and: &format!("EXISTS (SELECT 1 FROM turn) AND {in_time}"),
            bulk: "$2",
            with: "UPDATE bulk_retries SET next_id = $4, retried = retried + done.count, \
                     passed_over = passed_over + $5 - done.count \
                   FROM (SELECT count(*) AS count FROM reopened) AS done, turn WHERE bulk_retries.id = turn.id",
        }
        .statement(db),
        _ => Reopening {
            before: "",
            and: &format!("EXISTS (SELECT 1 FROM bulk_retries WHERE {is_its_turn}) AND {in_time}"),
            bulk: "$2",
            with: &format!(
                "UPDATE bulk_retries SET next_id = $4, retried = retried + (SELECT count(*) FROM gone), \
                   passed_over = passed_over + $5 - (SELECT count(*) FROM gone) WHERE {is_its_turn}"
            ),
        }
        .statement(db),
    };
    let wanted = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    retrying(|| {
        let values = [
            sql::ids(db, ids),
            bulk.id.into(),
            bulk.next_id.into(),
            next_id.into(),
            wanted.into(),
        ];
        count_of(db, sql::statement(db, reopening.as_str(), values))
    })
    .await
}

/// It has come by everything. Returns whether that is so.
async fn finish(db: &DatabaseConnection, bulk: Uuid) -> Result<bool, DbErr> {
    let finish = format!(
        "UPDATE bulk_retries SET state = 'DONE', ended_at = {} WHERE id = $1 AND state = 'RUNNING' AND next_id = $2",
        sql::now(db)
    );
    let done = retrying(|| {
        let values = [bulk.into(), Uuid::max().into()];
        execute(db, sql::statement(db, finish.as_str(), values))
    });
    Ok(done.await? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_keep_the_rate() {
        for rate in [1, 2, 4, 5, 7, 50, 999, 2_000, 5_000, 10_000] {
            let (size, lasts) = portions(rate);
            assert!((1..=1_000).contains(&size) && (100..=1_000).contains(&lasts));
            let a_second = size as f64 * 1000.0 / lasts as f64;
            let is_kept = (a_second / f64::from(rate) - 1.0).abs() < 0.01;
            assert!(is_kept, "{rate}: {a_second}");
        }
    }
}
