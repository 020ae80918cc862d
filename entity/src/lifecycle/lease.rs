//! Who may work. Each consumer has one lease, a row in `consumers` that it renews; everything it has
//! taken rests on that row, so that renewing costs one write however much is in hand. A lease that has
//! run out is never renewed: its consumer starts over under another id.
//!
//! All times are by the database's clock, which is the same for everybody.

use super::*;

/// Entries that [`reclaim`] frees with one statement, so that none takes too long.
const RECLAIM_MAX: i64 = 10_000;

/// `the consumer whose id is EXPRESSION has a lease that runs`, as an SQL condition.
pub(super) fn is_alive(db: &DatabaseConnection, id: &str) -> String {
    let now = sql::now_millis(db);
    format!("EXISTS (SELECT 1 FROM consumers WHERE consumers.id = {id} AND alive_until > {now})")
}

/// Begins a lease. Until this has succeeded nothing may be taken under it.
pub async fn begin(db: &DatabaseConnection, consumer: Uuid, length: Duration) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let insert = format!(
        "INSERT INTO consumers (id, alive_until) VALUES ($1, {now} + $2) \
         ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until"
    );
    let values = [consumer.into(), millis(length).into()];
    db.execute_raw(sql::statement(db, insert, values)).await?;
    Ok(())
}

/// Lets a lease run `length` from now on. Returns whether it still ran.
pub async fn renew(
    db: &DatabaseConnection,
    consumer: Uuid,
    length: Duration,
) -> Result<bool, DbErr> {
    let now = sql::now_millis(db);
    let update = format!(
        "UPDATE consumers SET alive_until = {now} + $2 WHERE id = $1 AND alive_until > {now}"
    );
    let values = [consumer.into(), millis(length).into()];
    let updated = db.execute_raw(sql::statement(db, update, values)).await?;
    Ok(updated.rows_affected() == 1)
}

/// Ends a lease: what the consumer holds is anybody's at once.
pub async fn end(db: &DatabaseConnection, consumer: Uuid) -> Result<(), DbErr> {
    let delete = "DELETE FROM consumers WHERE id = $1";
    db.execute_raw(sql::statement(db, delete, [consumer.into()]))
        .await?;
    Ok(())
}

/// Makes due at once what consumers hold whose lease has run out, and forgets them. Any consumer may
/// do this at any time. Returns how many entries it freed.
pub async fn reclaim(db: &DatabaseConnection) -> Result<u64, DbErr> {
    let now = sql::now_millis(db);
    let dead = format!("SELECT id FROM consumers WHERE alive_until <= {now}");
    let dead = returned_ids(db, sql::statement(db, dead, [])).await?;
    if dead.is_empty() {
        return Ok(0);
    }
    let is_theirs = sql::is_one_of_the_ids(db, "holder");
    let skip_locked = sql::skip_locked(db);
    let free = format!(
        "UPDATE outbox SET holder = NULL, due_at = {now}, crashes = crashes + 1 \
         WHERE id IN (SELECT id FROM outbox WHERE {is_theirs} LIMIT $2 {skip_locked})"
    );
    let mut freed = 0;
    loop {
        let values = [sql::ids(db, &dead), RECLAIM_MAX.into()];
        let some = db
            .execute_raw(sql::statement(db, free.as_str(), values))
            .await?;
        if some.rows_affected() == 0 {
            break;
        }
        freed += some.rows_affected();
    }
    let forget = format!(
        "DELETE FROM consumers WHERE {} \
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.holder = consumers.id)",
        sql::is_one_of_the_ids(db, "id")
    );
    db.execute_raw(sql::statement(db, forget, [sql::ids(db, &dead)]))
        .await?;
    Ok(freed)
}
