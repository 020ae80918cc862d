//! The last steps of a life where the work can fail: what is to be done, and what came of it.

use std::time::Duration;

use sea_orm::{ActiveEnum, DatabaseConnection, DbBackend, DbErr};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Holder, Status, Webhook, count_of, millis, query, retrying, sql};
use crate::{Outcome, Verdict};

/// One transaction to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The transaction's row id.
    pub id: Uuid,
    /// What the sender said.
    pub webhook: Webhook,
    /// Which attempt this is, 1 for the first. An attempt whose end nobody has recorded (a consumer died
    /// with it) counts too.
    pub attempt: u32,
    /// How far along its schedule it is: the attempts that count as failures of its own.
    pub failures: u32,
    /// The attempts whose end is known and that count as nobody's failure.
    pub deferrals: u32,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The transaction's row id.
    pub id: Uuid,
    /// The order's number.
    pub number: u32,
    /// When it began, by this process's clock.
    pub started_at: OffsetDateTime,
    /// How long it took.
    pub took: Duration,
    pub outcome: Outcome,
    /// Downstream's HTTP status, if it answered.
    pub status: Option<u16>,
    /// What went wrong: at most 500 characters, none of them a control character.
    pub error: Option<String>,
    /// How long downstream asked to be left alone.
    pub retry_after: Option<Duration>,
}

/// What is recorded about one transaction that a consumer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The transaction's row id.
    pub id: Uuid,
    /// The attempt that led to it, if any did.
    pub attempt: Option<Attempt>,
    /// What follows.
    pub next: Next,
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The work is done: `PROCESSED`.
    Processed,
    /// It is due for another attempt, so long from now.
    Again {
        after: Duration,
        /// Whether the attempt moves it along its schedule.
        counts: bool,
    },
    /// Its consumer goes on holding it and makes another attempt so long from now. This one does not move it along its
    /// schedule.
    Held { rest: Duration },
    /// The work is given up: `FAILED`.
    Failed {
        verdict: Verdict,
        /// For people; no control characters.
        reason: String,
    },
}

/// What is to be done for these transactions, as far as they are unfinished.
pub async fn orders(db: &DatabaseConnection, ids: &[Uuid]) -> Result<Vec<Order>, DbErr> {
    let orders = format!(
        "SELECT transactions.id, transaction_id, source_account, destination_account, \
                CAST(amount AS text) AS amount, currency, attempts + crashes + 1 AS attempt, failures, \
                attempts - failures AS deferrals \
         FROM transactions JOIN outbox ON outbox.id = transactions.id WHERE {}",
        sql::is_one_of_the_ids(db, "transactions.id")
    );
    let values = [sql::ids(db, ids)];
    let rows = query(db, sql::statement(db, orders, values)).await?;
    rows.iter()
        .map(|row| {
            Ok(Order {
                id: row.try_get_by("id")?,
                webhook: Webhook {
                    transaction_id: row.try_get_by("transaction_id")?,
                    source_account: row.try_get_by("source_account")?,
                    destination_account: row.try_get_by("destination_account")?,
                    amount: row.try_get_by("amount")?,
                    currency: row.try_get_by("currency")?,
                },
                attempt: row.try_get_by::<i32, _>("attempt")?.unsigned_abs(),
                failures: row.try_get_by::<i32, _>("failures")?.unsigned_abs(),
                deferrals: row.try_get_by::<i32, _>("deferrals")?.max(0).unsigned_abs(),
            })
        })
        .collect()
}

/// Records conclusions, all in one commit, each where the holder still holds the id and its attempt has
/// not been recorded yet. Returns how many this call recorded.
pub async fn conclude(
    db: &DatabaseConnection,
    holder: Holder,
    conclusions: &[Conclusion],
) -> Result<u64, DbErr> {
    let statement = match db.get_database_backend() {
        DbBackend::Postgres => postgres(db),
        _ => sqlite(db),
    };
    let batch = sql::json(conclusions.iter().map(as_json));
    retrying(|| {
        let values = [batch.clone(), holder.id().into()];
        count_of(db, sql::statement(db, statement.as_str(), values))
    })
    .await
}

/// A conclusion as both statements read it: what does not apply is missing, and so NULL.
fn as_json(Conclusion { id, attempt, next }: &Conclusion) -> serde_json::Value {
    let mut object = match next {
        Next::Processed => json!({ "status": Status::Processed.to_value() }),
        Next::Again { after, counts } => {
            json!({ "again_in": millis(*after), "counts": i32::from(*counts) })
        }
        Next::Held { .. } => json!({ "held": 1 }),
        Next::Failed { verdict, reason } => json!({
            "status": Status::Failed.to_value(), "verdict": verdict.to_value(), "reason": reason,
        }),
    };
    object["id"] = id.simple().to_string().into();
    if let Some(attempt) = attempt {
        object["number"] = attempt.number.into();
        object["started_at"] = (attempt.started_at.unix_timestamp_nanos() as f64 / 1e9).into();
        object["took_ms"] = millis(attempt.took).into();
        object["outcome"] = attempt.outcome.to_value().into();
        object["answered"] = attempt.status.into();
        object["error"] = attempt.error.as_deref().into();
    }
    object
}

/// Whether an attempt has not been recorded yet: with it, a conclusion can be repeated.
const IS_NEW: &str = "NOT EXISTS (SELECT 1 FROM attempts \
     WHERE attempts.id = batch.id AND attempts.number = batch.number)";

fn postgres(db: &DatabaseConnection) -> String {
    let (is_held, now, millis) = (sql::is_held(db), sql::now(db), sql::now_millis(db));
    format!(
        "WITH batch AS (SELECT * FROM json_to_recordset($1::json) AS batch (\
           id uuid, status text, again_in bigint, counts int, held int, verdict text, reason text, number int, \
           started_at float8, took_ms bigint, outcome text, answered int, error text)), \
         mine AS (SELECT batch.*, attempts + (number IS NOT NULL)::int AS attempts, \
             failures + coalesce(counts, 0) AS failures, crashes \
           FROM batch JOIN outbox ON outbox.id = batch.id \
           WHERE {is_held} AND {IS_NEW} FOR UPDATE OF outbox), \
         told AS (INSERT INTO attempts (id, number, started_at, took_ms, outcome, status, error) \
           SELECT id, number, to_timestamp(started_at), took_ms, outcome, answered, error \
           FROM mine WHERE number IS NOT NULL), \
         failed AS (INSERT INTO failures (id, verdict, reason) \
           SELECT id, verdict, reason FROM mine WHERE verdict IS NOT NULL), \
         final AS (UPDATE transactions SET status = mine.status, \
             processed_at = CASE mine.status WHEN 'PROCESSED' THEN {now} END \
           FROM mine WHERE transactions.id = mine.id AND transactions.status = 'PROCESSING' \
           AND mine.status IS NOT NULL), \
         again AS (INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits) \
           SELECT id, {millis} + again_in, {millis}, attempts, failures, crashes, true \
           FROM mine WHERE again_in IS NOT NULL), \
         held AS (UPDATE outbox SET attempts = mine.attempts \
           FROM mine WHERE outbox.id = mine.id AND mine.held IS NOT NULL), \
         gone AS (DELETE FROM outbox USING mine WHERE outbox.id = mine.id AND mine.held IS NULL) \
         SELECT count(*) FROM mine"
    )
}

fn sqlite(db: &DatabaseConnection) -> String {
    let (is_held, now, millis) = (sql::is_held(db), sql::now(db), sql::now_millis(db));
    let batch = "SELECT unhex(value ->> 'id') AS id, value ->> 'status' AS status, \
           value ->> 'again_in' AS again_in, value ->> 'counts' AS counts, \
           value ->> 'held' AS held, \
           value ->> 'verdict' AS verdict, \
           value ->> 'reason' AS reason, value ->> 'number' AS number, \
           value ->> 'started_at' AS started_at, value ->> 'took_ms' AS took_ms, \
           value ->> 'outcome' AS outcome, value ->> 'answered' AS answered, \
           value ->> 'error' AS error FROM json_each($1)";
    format!(
        "BEGIN IMMEDIATE; \
         CREATE TEMPORARY TABLE mine AS SELECT batch.*, \
             attempts + (number IS NOT NULL) AS attempts, \
             failures + coalesce(counts, 0) AS failures, crashes FROM ({batch}) AS batch \
           JOIN outbox ON outbox.id = batch.id WHERE {is_held} AND {IS_NEW}; \
         INSERT INTO attempts (id, number, started_at, took_ms, outcome, status, error) \
           SELECT id, number, strftime('%Y-%m-%dT%H:%M:%fZ', started_at, 'unixepoch'), \
                  took_ms, outcome, answered, error FROM mine WHERE number IS NOT NULL; \
         INSERT INTO failures (id, verdict, reason) \
           SELECT id, verdict, reason FROM mine WHERE verdict IS NOT NULL; \
         UPDATE transactions SET status = mine.status, \
             processed_at = CASE mine.status WHEN 'PROCESSED' THEN {now} END \
           FROM mine WHERE transactions.id = mine.id AND transactions.status = 'PROCESSING' \
           AND mine.status IS NOT NULL; \
         INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits) \
           SELECT id, {millis} + again_in, {millis}, attempts, failures, crashes, true \
           FROM mine WHERE again_in IS NOT NULL; \
         UPDATE outbox SET attempts = mine.attempts \
           FROM mine WHERE outbox.id = mine.id AND mine.held IS NOT NULL; \
         DELETE FROM outbox WHERE id IN (SELECT id FROM mine WHERE held IS NULL); \
         SELECT count(*) FROM mine; \
         DROP TABLE mine; \
         COMMIT"
    )
}
