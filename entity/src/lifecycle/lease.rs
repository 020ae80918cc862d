//! Who may work. Each consumer has one lease, a row in `consumers` that it renews; everything it has
//! taken rests on that row, so that renewing costs one write however much is in flight. Who has been found dead stays
//! so: its consumer, if it lives after all, starts over under another id.
//!
//! A consumer is alive as long as its row is there and not marked dead, whatever the clock says. It is marked by
//! another one that has seen no renewal for the lease's length by a clock of its own ([`renewals`], [`bury`]): the
//! database's clock may be set back or forward while everybody is well.

use std::{collections::HashMap, time::Duration};

use sea_orm::{DatabaseConnection, DbBackend, DbErr, Value};
use uuid::Uuid;

use super::{CARRIED, Look, Range, execute, look_of, millis, query, retrying, returned_ids};
use crate::sql;

/// `the consumer whose id is EXPRESSION is alive`, as an SQL condition.
pub(super) fn is_alive(id: &str) -> String {
    format!("EXISTS (SELECT 1 FROM consumers WHERE consumers.id = {id} AND NOT consumers.dead)")
}

/// `nobody holds the outbox entry, or a consumer whose lease is over`, as an SQL condition.
///
/// A holder that has no row is none of these: PostgreSQL looks at the newest version of an entry that somebody else has just
/// changed, but at `consumers` as it was when the statement began (EvalPlanQual), and the new holder may have begun its lease
/// since.
pub(super) fn is_free() -> &'static str {
    "(holder IS NULL OR \
      EXISTS (SELECT 1 FROM consumers WHERE consumers.id = outbox.holder AND consumers.dead))"
}

/// The deaths behind an outbox entry, as an SQL expression: its holder's, too, if that has been marked dead. Who has ended
/// its lease has not died.
pub(super) const DEATHS: &str = "crashes + CAST((SELECT count(*) FROM consumers \
     WHERE consumers.id = outbox.holder AND dead AND NOT ended) AS integer)";

/// Begins a lease. Until this has succeeded nothing may be taken under it. `embedded` says whether the consumer's
/// process has the queue inside it.
pub async fn begin(
    db: &DatabaseConnection,
    consumer: Uuid,
    length: Duration,
    embedded: bool,
) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let insert = format!(
        "INSERT INTO consumers (id, alive_until, lease_ms, embedded) VALUES ($1, {now} + $2, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until"
    );
    retrying(|| {
        let values = [consumer.into(), millis(length).into(), embedded.into()];
        execute(db, sql::statement(db, insert.as_str(), values))
    })
    .await?;
    Ok(())
}

/// Lets a lease run `length` from now on. Returns whether it still ran.
pub async fn renew(
    db: &DatabaseConnection,
    consumer: Uuid,
    length: Duration,
) -> Result<bool, DbErr> {
    let update = format!(
        "UPDATE consumers SET alive_until = {} + $2 WHERE id = $1 AND NOT dead",
        sql::now_millis(db)
    );
    let values = [consumer.into(), millis(length).into()];
    Ok(execute(db, sql::statement(db, update, values)).await? == 1)
}

/// Ends a lease: what the consumer holds is anybody's at once, and it has not died. Its row stays until [`reclaim`] has
/// looked for what it may have left.
pub async fn end(db: &DatabaseConnection, consumer: Uuid) -> Result<(), DbErr> {
    let end = "UPDATE consumers SET dead = $2, ended = $2 WHERE id = $1 AND NOT dead";
    let values = || [consumer.into(), true.into()];
    retrying(|| execute(db, sql::statement(db, end, values()))).await?;
    Ok(())
}

/// What another consumer's row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Until when it has its lease, in milliseconds since 1970: it changes with every renewal.
    pub alive_until: i64,
    /// How long its lease is.
    pub length: Duration,
    /// By the database's clock it has run out.
    pub has_run_out: bool,
    /// Its process has the queue inside it.
    pub embedded: bool,
}

/// The last renewal of every consumer that has not been marked dead.
pub async fn renewals(db: &DatabaseConnection) -> Result<HashMap<Uuid, Renewal>, DbErr> {
    let living = format!(
        "SELECT id, alive_until, lease_ms, alive_until <= {} AS has_run_out, embedded \
         FROM consumers WHERE NOT dead",
        sql::now_millis(db)
    );
    let rows = query(db, sql::statement(db, living, [])).await?;
    rows.iter()
        .map(|row| {
            let lease_ms: i64 = row.try_get_by("lease_ms")?;
            let renewal = Renewal {
                alive_until: row.try_get_by("alive_until")?,
                length: Duration::from_millis(lease_ms.unsigned_abs()),
                has_run_out: row.try_get_by("has_run_out")?,
                embedded: row.try_get_by("embedded")?,
            };
            Ok((row.try_get_by("id")?, renewal))
        })
        .collect()
}

/// Marks a consumer dead, unless it has renewed its lease since. Returns whether it is dead now.
pub async fn bury(
    db: &DatabaseConnection,
    consumer: Uuid,
    renewal: Renewal,
) -> Result<bool, DbErr> {
    let update = "UPDATE consumers SET dead = $3 WHERE id = $1 AND alive_until = $2";
    let values = [consumer.into(), renewal.alive_until.into(), true.into()];
    Ok(execute(db, sql::statement(db, update, values)).await? == 1)
}

/// Those that have been marked dead and may still have left something.
pub async fn dead(db: &DatabaseConnection) -> Result<Vec<Uuid>, DbErr> {
    let dead = "SELECT id FROM consumers WHERE dead";
    returned_ids(db, sql::statement(db, dead, [])).await
}

/// Makes due at once what the dead, and those whose leases have ended, hold in this range, reading up to `limit` entries.
/// What the dead held has one death more behind it.
pub async fn reclaim(
    db: &DatabaseConnection,
    dead: &[Uuid],
    range: Range,
    limit: u64,
) -> Result<Look, DbErr> {
    let now = sql::now_millis(db);
    let is_theirs = match db.get_database_backend() {
        DbBackend::Postgres => "holder = ANY($4::uuid[])",
        _ => "holder IN (SELECT unhex(value) FROM json_each($4))",
    };
    let seen = "SELECT id, holder FROM outbox WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
    let read = "SELECT id, (SELECT count(*) FROM seen) FROM seen ORDER BY id DESC LIMIT 1";
    let moved = format!("INSERT INTO retries (id, due_at, set_at, {CARRIED}, crashes)");
    let row = format!("SELECT id, {now}, {now}, {CARRIED}, ");
    let look = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH seen AS MATERIALIZED ({seen}), \
             theirs AS (DELETE FROM outbox \
               WHERE id = ANY(ARRAY(SELECT id FROM seen WHERE {is_theirs})) AND {is_theirs} \
               RETURNING id, {CARRIED}, {DEATHS} AS crashes), \
             moved AS ({moved} {row} crashes FROM theirs RETURNING id) \
             SELECT id, 0::bigint FROM moved UNION ALL ({read})"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             WITH seen AS ({seen}) {read}; \
             {moved} {row} {DEATHS} FROM outbox WHERE id IN (SELECT id FROM ({seen})) AND {is_theirs} \
               RETURNING id, 0; \
             DELETE FROM outbox WHERE id >= $1 AND id < $2 AND {is_theirs} \
               AND id IN (SELECT id FROM retries); \
             COMMIT"
        ),
    };
    let values = || {
        [
            range.from.into(),
            range.to.into(),
            Value::from(limit as i64),
            sql::ids(db, dead),
        ]
    };
    retrying(|| look_of(db, sql::statement(db, look.as_str(), values()))).await
}

/// Forgets dead consumers that hold nothing any more.
pub async fn forget(db: &DatabaseConnection, dead: &[Uuid]) -> Result<(), DbErr> {
    let forget = format!(
        "DELETE FROM consumers WHERE {}",
        sql::is_one_of_the_ids(db, "id")
    );
    execute(db, sql::statement(db, forget, [sql::ids(db, dead)])).await?;
    Ok(())
}

/// Forgets every consumer: for a process that has the database for itself. What they held is anybody's.
pub async fn forget_all(db: &DatabaseConnection) -> Result<(), DbErr> {
    execute(db, sql::statement(db, "DELETE FROM consumers", [])).await?;
    Ok(())
}
