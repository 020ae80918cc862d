//! What the relay asks for and notes: what is due, what has been published, and what has come back.
//!
//! Looking for what is due costs what is due, not what there is: `retries` has an index on its time, and the outbox is
//! read in the order of its key, look by look ([`Pass`](super::Pass)).
//!
//! No time in either table is further ahead than its own length allows: the database's clock may have been set back
//! since it was written.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr, Value};
use uuid::Uuid;

use super::{
    CARRIED, LOOK_AGAIN_IN, Look, Range, execute, lease, look_of, millis, operate::pause::PARKED,
    query, retrying,
};
use crate::{
    sql,
    statement::{self, LOOK, LOOK_THROUGH},
};

/// A time in the outbox that is further ahead than any that is ever set there, which [`LOOK_AGAIN_IN`] bounds, is from
/// before the clock was set back, and has come.
const AHEAD_MAX: Duration = Duration::from_secs(LOOK_AGAIN_IN.as_secs() + 60);
/// Rows of `retries` that one statement changes.
const RETRIES_MAX: i64 = 10_000;

/// Which entries of the outbox a look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those whose time has come.
    Due,
    /// Those that were published, too: the queue has lost what it had. What is about to be published anyway, within
    /// this time, is left alone.
    Published { not_within: Duration },
}

/// How much a look may read and claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub read: u64,
    pub claim: u64,
}

/// Reads entries of the outbox in the order of their ids, claims those of them that are wanted and in no living consumer's
/// hands, and puts their time `again_in` ahead, so that of several relays only one gets each.
pub async fn claim(
    db: &DatabaseConnection,
    range: Range,
    wanted: Wanted,
    limits: Limits,
    again_in: Duration,
) -> Result<Look, DbErr> {
    let now = sql::now_millis(db);
    // What waits for its next attempt is here only if an older version has put it here, and may wait for long.
    let is_due = format!("(due_at <= {now} OR (due_at > {now} + $4 AND NOT waits))");
    let is_free = format!("(holder IS NULL OR NOT {})", lease::is_alive("holder"));
    // Of an entry that somebody is taking just now its newest version is looked at, so its holder must be as it was seen.
    let seen = "SELECT id, due_at, waits, holder FROM outbox WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
    let wanted_ids =
        format!("SELECT id, holder FROM seen WHERE {is_due} AND {is_free} ORDER BY id LIMIT $6");
    // Where there are more than may be claimed, the look has ended with the last that was.
    let read = "SELECT CASE WHEN is_full THEN (SELECT id FROM wanted ORDER BY id DESC LIMIT 1) ELSE last END, \
                       CASE WHEN is_full THEN $3 ELSE count END \
                FROM (SELECT (SELECT id FROM seen ORDER BY id DESC LIMIT 1) AS last, \
                             (SELECT count(*) FROM seen) AS count, \
                             (SELECT count(*) FROM wanted) >= $6 AS is_full) AS looked WHERE last IS NOT NULL";
    let claim = format!("UPDATE outbox SET due_at = {now} + $5, waits = false, holder = NULL");
    let look = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH seen AS MATERIALIZED ({seen}), \
             wanted AS MATERIALIZED ({wanted_ids}), \
             free AS MATERIALIZED (SELECT outbox.id FROM outbox JOIN wanted ON outbox.id = wanted.id \
               WHERE outbox.id = ANY(ARRAY(SELECT id FROM wanted)) AND {is_due} \
               AND outbox.holder IS NOT DISTINCT FROM wanted.holder \
               FOR UPDATE OF outbox SKIP LOCKED), \
             claimed AS ({claim} WHERE id = ANY(ARRAY(SELECT id FROM free)) RETURNING id) \
             SELECT id, 0::bigint FROM claimed UNION ALL ({read})"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             WITH seen AS ({seen}), wanted AS ({wanted_ids}) {read}; \
             {claim} WHERE id IN (SELECT id FROM ({seen}) AS seen \
               WHERE {is_due} AND {is_free} ORDER BY id LIMIT $6) RETURNING id, 0; \
             COMMIT"
        ),
    };
    let ahead = match wanted {
        Wanted::Due => AHEAD_MAX,
        Wanted::Published { not_within } => not_within,
    };
    let values = [
        range.from.into(),
        range.to.into(),
        Value::from(limits.read as i64),
        millis(ahead).into(),
        millis(again_in).into(),
        Value::from(limits.claim as i64),
    ];
    look_of(db, sql::statement(db, look, values)).await
}

/// A retry that a relay has claimed, and when by the database's clock: whatever else becomes of it gives it another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub id: Uuid,
    pub set_at: i64,
}

/// When retries fell due: at least so long ago, and at most; `None`: however long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FellDue {
    pub at_least: Duration,
    pub at_most: Option<Duration>,
}

impl FellDue {
    /// All that is due.
    pub const EVER: Self = Self {
        at_least: Duration::ZERO,
        at_most: None,
    };
}

/// Claims up to `limit` of the retries whose time has come, those that have waited longest first, and puts their time
/// `again_in` ahead. Whoever takes one from now on may begin on it.
///
/// Looks only at those that fell due when `fell_due` says. Before the entries of rows that are there, the index may hold
/// any number of those of rows that are gone: nothing can remove them while somebody holds an old snapshot.
pub async fn claim_retries(
    db: &DatabaseConnection,
    limit: u32,
    again_in: Duration,
    fell_due: FellDue,
) -> Result<Vec<Claimed>, DbErr> {
    let now = sql::now_millis(db);
    let skip_locked = sql::skip_locked(db);
    let claim = format!(
        "UPDATE retries SET due_at = {now} + $1, set_at = {now}, waits = false WHERE id IN \
         (SELECT id FROM retries WHERE due_at <= {now} - $4 AND due_at >= {now} - $3 \
          ORDER BY due_at LIMIT $2 {skip_locked}) RETURNING id, set_at"
    );
    let at_most = fell_due.at_most.map_or(i64::MAX / 4, millis);
    let values = [
        millis(again_in).into(),
        i64::from(limit).into(),
        at_most.into(),
        millis(fell_due.at_least).into(),
    ];
    let limit = match fell_due.at_least.is_zero() {
        true => LOOK,
        false => LOOK_THROUGH,
    };
    let rows = statement::look(db, sql::statement(db, claim, values), limit).await?;
    rows.iter()
        .map(|row| {
            let (id, set_at) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            Ok(Claimed { id, set_at })
        })
        .collect()
}

/// Notes that the broker has confirmed these ids: the relay looks at them again only `again_in` from
/// now, and only if they are still unfinished then. What a consumer has in flight is left alone, and so is what
/// has come back from one (it is in `retries`): that has a time of its own to fall due, which a note that comes
/// late must not put off.
pub async fn defer_published(
    db: &DatabaseConnection,
    ids: &[Uuid],
    again_in: Duration,
) -> Result<(), DbErr> {
    let update = format!(
        "UPDATE outbox SET due_at = {} + $2 WHERE {} AND holder IS NULL AND NOT waits",
        sql::now_millis(db),
        sql::is_one_of_the_ids(db, "id")
    );
    retrying(|| {
        let values = [sql::ids(db, ids), millis(again_in).into()];
        execute(db, sql::statement(db, update.as_str(), values))
    })
    .await?;
    Ok(())
}

/// Notes the same of retries that were [claimed](claim_retries), where nothing else has become of them since. What somebody
/// has in hand is becoming something else just now: it is passed over, for to wait for it could be to wait for each other.
pub async fn defer_published_retries(
    db: &DatabaseConnection,
    claimed: &[Claimed],
    again_in: Duration,
) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let put_off = format!("UPDATE retries SET due_at = {now} + $1, set_at = {now}");
    let pairs = sql::is_one_of_the_pairs(db, "id", "set_at");
    let update = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "{put_off} WHERE id = ANY(ARRAY(SELECT id FROM retries WHERE {pairs} AND NOT waits FOR UPDATE SKIP LOCKED))"
        ),
        _ => format!("{put_off} WHERE {pairs} AND NOT waits"),
    };
    let pairs = || claimed.iter().map(|one| (one.id, one.set_at));
    retrying(|| {
        let values = std::iter::once(millis(again_in).into()).chain(sql::pairs(db, pairs()));
        execute(db, sql::statement(db, update.as_str(), values))
    })
    .await?;
    Ok(())
}

/// Notes that messages with these ids have left the queue without a consumer: whatever of them is unfinished and in no
/// living consumer's hands is to be published again, `after` from now.
pub async fn come_back(
    db: &DatabaseConnection,
    ids: &[Uuid],
    after: Duration,
) -> Result<(), DbErr> {
    let these = sql::is_one_of_the_ids(db, "id");
    let now = sql::now_millis(db);
    let is_free = lease::is_free();
    let mine = format!("FROM outbox WHERE {these} AND {is_free} AND NOT waits");
    let moved = format!("INSERT INTO retries (id, due_at, set_at, crashes, {CARRIED})");
    let row = format!("SELECT id, {now} + $2, {now}, crashes, {CARRIED}");
    // Also what is due sooner is set anew: a note that it was published, which is on its way, is about the message that has
    // left, and would put it off.
    let again = format!(
        "UPDATE retries SET due_at = CASE WHEN due_at > {now} + $2 THEN {now} + $2 ELSE due_at END, set_at = {now} \
         WHERE {these} AND NOT waits"
    );
    let values = || [sql::ids(db, ids), millis(after).into()];
    let back = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH mine AS (DELETE {mine} RETURNING *), \
             again AS ({again}) \
             {moved} {row} FROM mine"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; {again}; {moved} {row} {mine}; \
             DELETE FROM outbox WHERE {these} AND id IN (SELECT id FROM retries); COMMIT"
        ),
    };
    retrying(|| execute(db, sql::statement(db, back.as_str(), values()))).await?;
    Ok(())
}

/// Notes that the queue of this name had to be created: what had been published is gone from it. Returns when that was, in
/// milliseconds since 1970 by the database's clock.
pub async fn queue_created(db: &DatabaseConnection, queue: &str) -> Result<i64, DbErr> {
    let now = sql::now_millis(db);
    let note = format!(
        "INSERT INTO queues (name, created_at) VALUES ($1, {now}) \
         ON CONFLICT (name) DO UPDATE SET created_at = excluded.created_at RETURNING created_at"
    );
    let rows = retrying(|| query(db, sql::statement(db, note.as_str(), [queue.into()]))).await?;
    match rows.as_slice() {
        [row] => row.try_get_by_index(0),
        _ => Err(DbErr::RecordNotFound("the note".into())),
    }
}

/// What the database says about queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its clock: milliseconds since 1970.
    pub now: i64,
    /// When, by that clock, the queue asked for was last [created](queue_created).
    pub created_at: Option<i64>,
    /// When another one of ours was: what it had been given is not in this one.
    pub other_created_at: Option<i64>,
}

/// Asks the database about the queue of this name.
pub async fn state(db: &DatabaseConnection, queue: &str) -> Result<State, DbErr> {
    let now = sql::now_millis(db);
    let state = format!(
        "SELECT {now}, (SELECT created_at FROM queues WHERE name = $1), \
                (SELECT max(created_at) FROM queues WHERE name <> $1)"
    );
    let rows = query(db, sql::statement(db, state, [queue.into()])).await?;
    match rows.as_slice() {
        [row] => Ok(State {
            now: row.try_get_by_index(0)?,
            created_at: row.try_get_by_index(1)?,
            other_created_at: row.try_get_by_index(2)?,
        }),
        _ => Err(DbErr::RecordNotFound("the time".into())),
    }
}

/// Makes due what of `retries` had been published, but not what is about to be within `not_within`: the queue has lost it.
/// Returns whether there may be more.
pub async fn republish_retries(
    db: &DatabaseConnection,
    not_within: Duration,
) -> Result<bool, DbErr> {
    let now = sql::now_millis(db);
    let skip_locked = sql::skip_locked(db);
    let due = format!(
        "UPDATE retries SET due_at = {now}, set_at = {now} WHERE id IN \
         (SELECT id FROM retries WHERE due_at > {now} + $1 AND due_at <= {now} + $2 AND NOT waits \
          ORDER BY due_at LIMIT $3 {skip_locked})"
    );
    let values = [
        millis(not_within).into(),
        millis(AHEAD_MAX).into(),
        RETRIES_MAX.into(),
    ];
    let changed = execute(db, sql::statement(db, due, values)).await?;
    Ok(changed == RETRIES_MAX.unsigned_abs())
}

/// Shortens waits that became longer because the database's clock was set back since they began: each begins anew.
/// Reads up to `limit` retries of the range.
pub async fn shorten_waits(
    db: &DatabaseConnection,
    range: Range,
    limit: u64,
) -> Result<Look, DbErr> {
    let now = sql::now_millis(db);
    let seen = "SELECT id, set_at FROM retries WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
    let read = "SELECT id, (SELECT count(*) FROM seen) FROM seen ORDER BY id DESC LIMIT 1";
    let shorten = format!("UPDATE retries SET due_at = {now} + (due_at - set_at), set_at = {now}");
    // What is parked waits for no time.
    let is_set_back = format!("set_at > {now} AND due_at < {PARKED}");
    let look = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH seen AS MATERIALIZED ({seen}), \
             shortened AS ({shorten} \
               WHERE id = ANY(ARRAY(SELECT id FROM seen WHERE set_at > {now})) AND {is_set_back} \
               RETURNING id) \
             SELECT id, 0::bigint FROM shortened UNION ALL ({read})"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             WITH seen AS ({seen}) {read}; \
             {shorten} WHERE id IN (SELECT id FROM ({seen})) AND {is_set_back} RETURNING id, 0; \
             COMMIT"
        ),
    };
    let values = [
        range.from.into(),
        range.to.into(),
        Value::from(limit as i64),
    ];
    look_of(db, sql::statement(db, look, values)).await
}
