//! Duties: what one process does for all. Whichever asks first has a duty for as long as it goes on asking; when it stops
//! asking, another one has it.
//!
//! A duty is no lock: a process that was held up may believe for a while that it still has one. Whatever is done under a
//! duty must bear to be done twice.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use super::{execute, millis, retrying, sql};

/// Takes or keeps the duty `name` (up to 40 characters) for `length` from now on, by the database's clock. Returns whether
/// `holder` has it. All who want the same duty ask for the same `length`, and more often than that.
pub async fn hold(
    db: &DatabaseConnection,
    name: &str,
    holder: Uuid,
    length: Duration,
) -> Result<bool, DbErr> {
    let now = sql::now_millis(db);
    // One that runs longer than it can was taken before the clock was set back.
    let hold = format!(
        "INSERT INTO duties (name, holder, until) VALUES ($1, $2, {now} + $3) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
         WHERE duties.holder = excluded.holder OR duties.until <= {now} OR duties.until > excluded.until"
    );
    let values = || [name.into(), holder.into(), millis(length).into()];
    let held = retrying(|| execute(db, sql::statement(db, hold.as_str(), values()))).await?;
    Ok(held == 1)
}

/// Gives a duty back, so that another process need not wait until it has run out. Returns whether `holder` still had it.
pub async fn release(db: &DatabaseConnection, name: &str, holder: Uuid) -> Result<bool, DbErr> {
    let release = "DELETE FROM duties WHERE name = $1 AND holder = $2";
    let values = [name.into(), holder.into()];
    Ok(execute(db, sql::statement(db, release, values)).await? == 1)
}
