//! Pauses: what is not processed until an operator says so, or until a time. Receiving goes on as ever.
//!
//! Where everything is paused, consumers take nothing. Where one source is, they [`park`](crate::lifecycle::park) what they
//! take of it: it waits in `retries`, far in the future, under a time that is its source's own, so that the index on the times
//! finds it; and when the pause is over somebody [un-parks](unpark) it.

use std::collections::BTreeSet;

use ring::digest::{SHA256, digest};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::{execute, query, retrying, sql},
    By, audit,
};
use crate::{SourceName, pause::Model, statement::look_up};

/// From this time on it is none: what is due then is parked.
pub const PARKED: i64 = 1 << 62;
/// What `pauses` calls all sources; no source's name contains it.
pub const ALL: &str = "*";
/// Sources that are told apart by one look at what is parked.
const KEYS_MAX: u64 = 1_000;
/// What one statement un-parks.
const UNPARKED_MAX: u64 = 1_000;

/// What is paused just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// Everything is.
    pub all: bool,
    /// These sources are.
    pub sources: BTreeSet<SourceName>,
}

impl Pauses {
    /// Whether nothing of this source is to be worked on.
    pub fn contains(&self, source: &SourceName) -> bool {
        self.all || self.sources.contains(source)
    }
}

/// Pauses a source, or everything, `until` then or until it is [resumed](resume). A pause that is in force gets the new end.
pub async fn pause(
    db: &DatabaseConnection,
    source: Option<&SourceName>,
    until: Option<OffsetDateTime>,
    by: &By,
) -> Result<(), DbErr> {
    let until_millis = until.map(|until| {
        let millis = until.unix_timestamp_nanos() / 1_000_000;
        i64::try_from(millis).unwrap_or(i64::MAX)
    });
    let told = format!(
        "{} SELECT $1, '{}', $2, $3, $5, NULL, NULL, 0, $7",
        audit::INSERT,
        audit::act::PAUSE
    );
    let since = sql::now(db);
    let pause = format!(
        "INSERT INTO pauses (source, until, who, reason, since) VALUES ($4, $6, $2, $3, {since}) \
         ON CONFLICT (source) DO UPDATE \
         SET until = excluded.until, who = excluded.who, reason = excluded.reason, since = excluded.since"
    );
    let detail = until.map(|until| serde_json::json!({ "until": rfc3339(until) }).to_string());
    let statement = match db.get_database_backend() {
        DbBackend::Postgres => format!("WITH told AS ({told}) {pause}"),
        _ => format!("BEGIN IMMEDIATE; {told}; {pause}; COMMIT"),
    };
    let line = Uuid::now_v7();
    retrying(|| {
        let name = source.map(|source| source.as_ref().to_owned());
        let key = name.clone().unwrap_or_else(|| ALL.to_owned());
        let values = [
            key.into(),
            name.into(),
            until_millis.into(),
            detail.clone().into(),
        ];
        let values = audit::line(line, by).into_iter().chain(values);
        execute(db, sql::statement(db, statement.as_str(), values))
    })
    .await?;
    Ok(())
}

/// Ends a pause. Returns whether there was one in force.
pub async fn resume(
    db: &DatabaseConnection,
    source: Option<&SourceName>,
    by: &By,
) -> Result<bool, DbErr> {
    let now = sql::now_millis(db);
    let told = format!(
        "{} SELECT $1, '{}', $2, $3, $5, NULL, NULL, 0, NULL",
        audit::INSERT,
        audit::act::RESUME
    );
    let gone = "DELETE FROM pauses WHERE source = $4";
    let was = format!("(until IS NULL OR until > {now})");
    let statement = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH gone AS ({gone} RETURNING {was} AS was_in_force), \
             told AS ({told} FROM gone WHERE was_in_force) \
             SELECT was_in_force FROM gone"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             {told} FROM pauses WHERE source = $4 AND {was}; \
             {gone} RETURNING {was}; \
             COMMIT"
        ),
    };
    let line = Uuid::now_v7();
    let rows = retrying(|| {
        let name = source.map(|source| source.as_ref().to_owned());
        let key = name.clone().unwrap_or_else(|| ALL.to_owned());
        let values = audit::line(line, by)
            .into_iter()
            .chain([key.into(), name.into()]);
        query(db, sql::statement(db, statement.as_str(), values))
    })
    .await?;
    match rows.first() {
        Some(row) => row.try_get_by_index(0),
        None => Ok(false),
    }
}

/// What is paused just now, by the database's clock.
pub async fn in_force(db: &DatabaseConnection) -> Result<Pauses, DbErr> {
    let mut pauses = Pauses::default();
    for Model { source, .. } in list(db).await? {
        match source.parse() {
            Ok(source) => {
                pauses.sources.insert(source);
            }
            Err(_) => pauses.all = true,
        }
    }
    Ok(pauses)
}

/// The same, with who has said so, and why.
pub async fn list(db: &DatabaseConnection) -> Result<Vec<Model>, DbErr> {
    let select = format!(
        "SELECT source, until, who, reason, since FROM pauses WHERE until IS NULL OR until > {} ORDER BY source",
        sql::now_millis(db)
    );
    let rows = look_up(db, || sql::statement(db, &select, [])).await?;
    rows.iter()
        .map(|row| Model::from_query_result(row, ""))
        .collect()
}

/// The time under which what is parked of a source waits.
pub(in crate::lifecycle) fn key(source: &SourceName) -> i64 {
    let digest = digest(&SHA256, source.as_ref().as_bytes());
    let first = digest.as_ref().iter().take(6);
    PARKED + first.fold(0, |key, byte| (key << 8) | i64::from(*byte))
}

/// Makes due what is parked and not paused any more, some of it. Returns how many that is; 0 if there is none.
pub async fn unpark(db: &DatabaseConnection) -> Result<u64, DbErr> {
    let now = sql::now_millis(db);
    let parked = parked(db).await?;
    if parked.is_empty() {
        return Ok(0);
    }
    let paused: BTreeSet<i64> = in_force(db).await?.sources.iter().map(key).collect();
    for key in parked {
        if paused.contains(&key) {
            continue;
        }
        let unpark = format!(
            "UPDATE retries SET due_at = {now}, set_at = {now} WHERE due_at = $1 AND id IN \
             (SELECT id FROM retries WHERE due_at = $1 LIMIT {UNPARKED_MAX} {})",
            sql::skip_locked(db)
        );
        let unparked = retrying(|| {
            let values = [key.into()];
            execute(db, sql::statement(db, unpark.as_str(), values))
        });
        match unparked.await? {
            0 => {}
            unparked => return Ok(unparked),
        }
    }
    Ok(0)
}

/// Under which times something is parked.
async fn parked(db: &DatabaseConnection) -> Result<Vec<i64>, DbErr> {
    // From one to the next, each by one look at the index.
    let select = format!(
        "WITH RECURSIVE keys (key) AS ( \
           SELECT (SELECT min(due_at) FROM retries WHERE due_at >= {PARKED}) \
           UNION ALL \
           SELECT (SELECT min(due_at) FROM retries WHERE due_at > keys.key) FROM keys WHERE keys.key IS NOT NULL) \
         SELECT key FROM keys WHERE key IS NOT NULL LIMIT {KEYS_MAX}"
    );
    let rows = look_up(db, || sql::statement(db, &select, [])).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

fn rfc3339(time: OffsetDateTime) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    time.format(format).unwrap_or_else(|_| time.to_string())
}
