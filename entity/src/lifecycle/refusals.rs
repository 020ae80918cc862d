//! The ledger of refusals: lines are added, and the oldest forgotten. It has no part in any transaction's life.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult as _, Value};
use uuid::Uuid;

use super::{execute, millis, returned_ids, sql};
use crate::{
    SourceName,
    refusal::{self, Refusal},
    statement::look_up,
};

/// Lines that one statement deletes.
const PORTION: u64 = 1000;
/// Lines that a page looks at.
pub const LOOKED_AT_MAX: usize = 2000;

/// Adds lines to the ledger, all in one statement. A line that is there already is left alone.
pub async fn record(db: &DatabaseConnection, refusals: &[Refusal]) -> Result<(), DbErr> {
    let (rows, values) = match db.get_database_backend() {
        DbBackend::Postgres => postgres(db, refusals),
        _ => sqlite(refusals),
    };
    let insert = format!(
        "INSERT INTO refusals (id, source, reason, skew_s, size, hash) {rows} ON CONFLICT (id) DO NOTHING"
    );
    execute(db, sql::statement(db, insert, values)).await?;
    Ok(())
}

fn postgres(db: &DatabaseConnection, refusals: &[Refusal]) -> (String, Vec<Value>) {
    let texts = |text: fn(&Refusal) -> &str| -> Value {
        let texts = refusals.iter().map(|refusal| text(refusal).to_owned());
        texts.collect::<Vec<String>>().into()
    };
    // An array with gaps cannot be bound: what is not there is what no skew is.
    let skews = refusals.iter().map(|r| r.skew_s.unwrap_or(i64::MIN));
    let sizes = refusals.iter().map(|r| r.size);
    let hashes = refusals.iter().map(|r| r.hash.clone());
    let rows = format!(
        "SELECT id, source, reason, nullif(skew_s, {}), size, hash \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[]) \
           AS rows (id, source, reason, skew_s, size, hash)",
        i64::MIN
    );
    let values = vec![
        sql::ids(db, refusals.iter().map(|r| r.id)),
        texts(|r| r.source.as_ref()),
        texts(|r| r.reason),
        skews.collect::<Vec<i64>>().into(),
        sizes.collect::<Vec<i64>>().into(),
        hashes.collect::<Vec<Vec<u8>>>().into(),
    ];
    (rows, values)
}

fn sqlite(refusals: &[Refusal]) -> (String, Vec<Value>) {
    let rows = refusals.iter().map(|refusal| {
        serde_json::Value::from(vec![
            serde_json::Value::from(refusal.id.simple().to_string()),
            refusal.source.as_ref().into(),
            refusal.reason.into(),
            refusal.skew_s.into(),
            refusal.size.into(),
            sql::hex(&refusal.hash).into(),
        ])
    });
    // `WHERE true` keeps SQLite from reading ON CONFLICT as part of a join.
    let select = "SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5) \
         FROM json_each($1) WHERE true";
    (select.to_owned(), vec![sql::json(rows)])
}

/// The newest lines below an id, newest first, `limit` at most of all sources or of one, and where the next page begins if
/// there may be more. A source that is rarely refused may have fewer on a page: it looks at [`LOOKED_AT_MAX`] lines.
pub async fn page(
    db: &DatabaseConnection,
    source: Option<&SourceName>,
    below: Uuid,
    limit: usize,
) -> Result<(Vec<refusal::Model>, Option<Uuid>), DbErr> {
    let select = format!(
        "SELECT id, source, reason, skew_s, size, hash, refused_at FROM refusals WHERE id < $1 \
         ORDER BY id DESC LIMIT {LOOKED_AT_MAX}"
    );
    let rows = look_up(db, || sql::statement(db, &select, [below.into()])).await?;
    let mut page = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let line = refusal::Model::from_query_result(row, "")?;
        let id = line.id;
        if source.is_none_or(|source| *source == line.source) {
            page.push(line);
        }
        let is_last = index + 1 == rows.len();
        if page.len() == limit && !is_last || is_last && rows.len() == LOOKED_AT_MAX {
            return Ok((page, Some(id)));
        }
    }
    Ok((page, None))
}

/// Deletes the lines that are older than `keep_for`, by the database's clock, and those beyond the newest `keep_count`, a
/// portion by a statement, so that nobody waits for long. Returns how many.
pub async fn forget(
    db: &DatabaseConnection,
    keep_for: Duration,
    keep_count: u32,
) -> Result<u64, DbErr> {
    let before = match db.get_database_backend() {
        DbBackend::Postgres => "refused_at < clock_timestamp() - $1 * interval '1 ms'",
        _ => "refused_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', -($1 / 1000.0) || ' seconds')",
    };
    let too_old = delete(db, before, millis(keep_for).into()).await?;
    // Looked for once: it takes a way over all that are kept.
    let last = format!("SELECT id FROM refusals ORDER BY id DESC LIMIT 1 OFFSET {keep_count}");
    let last = returned_ids(db, sql::statement(db, last, [])).await?;
    match last.first() {
        Some(last) => Ok(too_old + delete(db, "id <= $1", (*last).into()).await?),
        None => Ok(too_old),
    }
}

/// Deletes from the oldest line on, as long as `which` is true, `$1` being `value`. What it reads is what it deletes, and a
/// portion.
async fn delete(db: &DatabaseConnection, which: &str, value: Value) -> Result<u64, DbErr> {
    let delete = format!(
        "DELETE FROM refusals WHERE {which} \
         AND id IN (SELECT id FROM refusals ORDER BY id LIMIT {PORTION})"
    );
    let mut all = 0;
    loop {
        let deleted = execute(db, sql::statement(db, &delete, [value.clone()])).await?;
        all += deleted;
        if deleted < PORTION {
            return Ok(all);
        }
    }
}
