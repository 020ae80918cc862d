//! When each source was last heard of: the time of its last genuine event, for whoever must notice that none comes.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr, Value};

use super::{execute, millis, sql};
use crate::{SourceName, statement::look_up};

/// Sources that are told.
const TOLD_MAX: u64 = 1_000;

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub source: SourceName,
    /// How long ago its last genuine event came, or, if none has come, how long it has been listened for; by the
    /// database's clock.
    pub ago: Duration,
    /// None has ever come.
    pub never: bool,
}

/// Notes how long ago the last genuine event of each of these sources came. What is known to be later stands.
pub async fn note(db: &DatabaseConnection, heard: &[(SourceName, Duration)]) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let (rows, values) = rows(db, heard);
    let latest = match db.get_database_backend() {
        DbBackend::Postgres => "greatest(heard.last_at, excluded.last_at)",
        _ => "max(heard.last_at, excluded.last_at)",
    };
    // What says that nothing has come is below 0, and so earlier than everything.
    let note = format!(
        "INSERT INTO heard (source, last_at) SELECT source, {now} - ago FROM ({rows}) AS given WHERE true \
         ON CONFLICT (source) DO UPDATE SET last_at = {latest}"
    );
    execute(db, sql::statement(db, note, values)).await?;
    Ok(())
}

/// Notes that nothing has come of these sources yet, and that they are listened for from now on; what is known of them
/// stands.
pub async fn listen(db: &DatabaseConnection, sources: &[SourceName]) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let given: Vec<_> = sources
        .iter()
        .map(|source| (source.clone(), Duration::ZERO))
        .collect();
    let (rows, values) = rows(db, &given);
    let listen = format!(
        "INSERT INTO heard (source, last_at) SELECT source, ago - {now} FROM ({rows}) AS given WHERE true \
         ON CONFLICT (source) DO NOTHING"
    );
    execute(db, sql::statement(db, listen, values)).await?;
    Ok(())
}

/// All sources of which anything is known, by name.
pub async fn all(db: &DatabaseConnection) -> Result<Vec<Heard>, DbErr> {
    let select = format!(
        "SELECT source, {} - abs(last_at) AS ago, last_at < 0 AS never FROM heard ORDER BY source LIMIT {TOLD_MAX}",
        sql::now_millis(db)
    );
    let rows = look_up(db, || sql::statement(db, &select, [])).await?;
    let rows = rows.iter().map(|row| {
        let ago: i64 = row.try_get_by("ago")?;
        Ok(Heard {
            source: row.try_get_by("source")?,
            // The clock may have been set back.
            ago: Duration::from_millis(ago.max(0).unsigned_abs()),
            never: row.try_get_by("never")?,
        })
    });
    rows.collect()
}

/// Sources with a length of time each, as a query and its parameters.
fn rows(db: &DatabaseConnection, given: &[(SourceName, Duration)]) -> (String, Vec<Value>) {
    let sources = given.iter().map(|(source, _)| source.as_ref().to_owned());
    let agos = given.iter().map(|(_, ago)| millis(*ago));
    match db.get_database_backend() {
        DbBackend::Postgres => (
            "SELECT * FROM unnest($1::text[], $2::bigint[]) AS rows (source, ago)".to_owned(),
            vec![
                sources.collect::<Vec<String>>().into(),
                agos.collect::<Vec<i64>>().into(),
            ],
        ),
        _ => (
            "SELECT value ->> 0 AS source, value ->> 1 AS ago FROM json_each($1)".to_owned(),
            vec![sql::json(sources.zip(agos).map(|(source, ago)| {
                serde_json::Value::from(vec![serde_json::Value::from(source), ago.into()])
            }))],
        ),
    }
}
