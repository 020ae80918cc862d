//! The last step of a life: what came of the work. All of it is processed, or each has its own outcome.

use std::time::Duration;

use sea_orm::{ActiveEnum, DatabaseConnection, DbBackend, DbErr};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{CARRIED, Holder, Status, count_of, millis, retrying, sql};
use crate::{Outcome, Verdict};

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The transaction's row id.
    pub id: Uuid,
    /// The job's number.
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
pub struct Record {
    /// The transaction's row id.
    pub id: Uuid,
    /// The attempt that led to it, if any did. Boxed, because simulated work has none and gathers by the thousand.
    pub attempt: Option<Box<Attempt>>,
    /// What follows.
    pub next: Transition,
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The work is done: `PROCESSED`.
    Processed,
    /// It is due for another attempt, so long from now.
    Retry {
        after: Duration,
        /// Whether the attempt moves it along its schedule.
        counts: bool,
    },
    /// Its consumer goes on holding it and makes another attempt so long from now. This one does not move it along its
    /// schedule.
    Hold { rest: Duration },
    /// The work is given up: `FAILED`. Of a replay nothing is recorded but its end: the caller finds its transaction
    /// `PROCESSED`.
    Failed {
        verdict: Verdict,
        /// For people; no control characters.
        reason: String,
    },
    /// A replay is given up: its transaction stays `PROCESSED`. Of anything else nothing is recorded.
    ReplayFailed {
        verdict: Verdict,
        /// For people; no control characters.
        reason: String,
    },
}

impl Record {
    /// The work is done, and it was no attempt that anybody keeps an account of.
    pub fn processed(id: Uuid) -> Self {
        Self {
            id,
            attempt: None,
            next: Transition::Processed,
        }
    }

    fn is_processed_without_attempt(&self) -> bool {
        self.attempt.is_none() && self.next == Transition::Processed
    }
}

/// Records what came of the work, all in one commit, each where the holder still holds the id and its attempt has not
/// been recorded yet. Returns how many this call recorded; the others had been recorded before, or have been taken by
/// another consumer since, or were replays that the caller did not know as such: their end leaves a transaction as it was.
pub async fn record(
    db: &DatabaseConnection,
    holder: Holder,
    records: &[Record],
) -> Result<u64, DbErr> {
    if records.iter().all(Record::is_processed_without_attempt) {
        return finish(db, holder, records.iter().map(|record| record.id)).await;
    }
    let statement = match db.get_database_backend() {
        DbBackend::Postgres => postgres(db),
        _ => sqlite(db),
    };
    let batch = sql::json(records.iter().map(as_json));
    retrying(|| {
        let values = [batch.clone(), holder.id().into()];
        count_of(db, sql::statement(db, statement.as_str(), values))
    })
    .await
}

/// Marks these transactions `PROCESSED` where they are still `PROCESSING` and the holder still holds them, and takes them
/// out of the outbox: what [`record`] does in general, in a statement that costs a third of it.
async fn finish(
    db: &DatabaseConnection,
    holder: Holder,
    ids: impl Iterator<Item = Uuid> + Clone,
) -> Result<u64, DbErr> {
    let these = sql::is_one_of_the_ids(db, "id");
    let is_held = sql::is_held(db);
    let now = sql::now(db);
    let finish = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH mine AS (DELETE FROM outbox WHERE {these} AND {is_held} RETURNING id), \
             finished AS (UPDATE transactions SET status = 'PROCESSED', processed_at = {now} \
               FROM mine WHERE transactions.id = mine.id AND status = 'PROCESSING' \
               RETURNING transactions.id) \
             SELECT count(*) FROM finished"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             UPDATE transactions SET status = 'PROCESSED', processed_at = {now} \
               WHERE {these} AND status = 'PROCESSING' \
               AND EXISTS (SELECT 1 FROM outbox WHERE outbox.id = transactions.id AND {is_held}); \
             SELECT changes(); \
             DELETE FROM outbox WHERE {these} AND {is_held}; \
             COMMIT"
        ),
    };
    retrying(|| {
        let values = [sql::ids(db, ids.clone()), holder.id().into()];
        count_of(db, sql::statement(db, finish.as_str(), values))
    })
    .await
}

/// A record as both statements read it: what does not apply is missing, and so NULL.
fn as_json(Record { id, attempt, next }: &Record) -> serde_json::Value {
    let mut object = match next {
        Transition::Processed => json!({ "status": Status::Processed.to_value() }),
        Transition::Retry { after, counts } => {
            json!({ "again_in": millis(*after), "counts": i32::from(*counts) })
        }
        Transition::Hold { .. } => json!({ "held": 1 }),
        Transition::Failed { verdict, reason } => json!({
            "status": Status::Failed.to_value(), "verdict": verdict.to_value(), "reason": reason,
        }),
        Transition::ReplayFailed { .. } => json!({ "replayed": 1 }),
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

/// Whether an attempt has not been recorded yet: with it, a record can be repeated.
const IS_NEW: &str = "NOT EXISTS (SELECT 1 FROM attempts \
     WHERE attempts.id = batch.id AND attempts.number = batch.number)";
/// Whether a record is one of what is in the outbox: only a replay ends as a replay.
const IS_FOR_IT: &str = "(replayed IS NULL OR replay)";
/// Whether what has been recorded is what the caller thinks: a replay never makes a transaction `FAILED`.
const IS_TOLD: &str = "(verdict IS NULL OR NOT replay)";

fn postgres(db: &DatabaseConnection) -> String {
    let (is_held, now, millis) = (sql::is_held(db), sql::now(db), sql::now_millis(db));
    format!(
        "WITH batch AS (SELECT * FROM json_to_recordset($1::json) AS batch (\
           id uuid, status text, again_in bigint, counts int, held int, replayed int, verdict text, reason text, number int, \
           started_at float8, took_ms bigint, outcome text, answered int, error text)), \
         mine AS (SELECT batch.*, attempts + (number IS NOT NULL)::int AS attempts, \
             failures + coalesce(counts, 0) AS failures, crashes, earlier, replay, bulk \
           FROM batch JOIN outbox ON outbox.id = batch.id \
           WHERE {is_held} AND {IS_NEW} AND {IS_FOR_IT} FOR UPDATE OF outbox), \
         told AS (INSERT INTO attempts (id, number, started_at, took_ms, outcome, status, error) \
           SELECT id, number, to_timestamp(started_at), took_ms, outcome, answered, error \
           FROM mine WHERE number IS NOT NULL), \
         failed AS (INSERT INTO failures (id, verdict, reason, attempts, bulk) \
           SELECT id, verdict, reason, attempts + crashes, bulk FROM mine WHERE verdict IS NOT NULL AND NOT replay), \
         final AS (UPDATE transactions SET status = mine.status, \
             processed_at = CASE mine.status WHEN 'PROCESSED' THEN {now} END \
           FROM mine WHERE transactions.id = mine.id AND transactions.status = 'PROCESSING' \
           AND mine.status IS NOT NULL), \
         again AS (INSERT INTO retries (id, due_at, set_at, crashes, waits, {CARRIED}) \
           SELECT id, {millis} + again_in, {millis}, crashes, true, {CARRIED} \
           FROM mine WHERE again_in IS NOT NULL), \
         held AS (UPDATE outbox SET attempts = mine.attempts \
           FROM mine WHERE outbox.id = mine.id AND mine.held IS NOT NULL), \
         gone AS (DELETE FROM outbox USING mine WHERE outbox.id = mine.id AND mine.held IS NULL) \
         SELECT count(*) FROM mine WHERE {IS_TOLD}"
    )
}

fn sqlite(db: &DatabaseConnection) -> String {
    let (is_held, now, millis) = (sql::is_held(db), sql::now(db), sql::now_millis(db));
    let batch = "SELECT unhex(value ->> 'id') AS id, value ->> 'status' AS status, \
           value ->> 'again_in' AS again_in, value ->> 'counts' AS counts, \
           value ->> 'held' AS held, value ->> 'replayed' AS replayed, \
           value ->> 'verdict' AS verdict, \
           value ->> 'reason' AS reason, value ->> 'number' AS number, \
           value ->> 'started_at' AS started_at, value ->> 'took_ms' AS took_ms, \
           value ->> 'outcome' AS outcome, value ->> 'answered' AS answered, \
           value ->> 'error' AS error FROM json_each($1)";
    format!(
        "BEGIN IMMEDIATE; \
         CREATE TEMPORARY TABLE mine AS SELECT batch.*, \
             attempts + (number IS NOT NULL) AS attempts, \
             failures + coalesce(counts, 0) AS failures, crashes, earlier, replay, bulk \
           FROM ({batch}) AS batch JOIN outbox ON outbox.id = batch.id \
           WHERE {is_held} AND {IS_NEW} AND {IS_FOR_IT}; \
         INSERT INTO attempts (id, number, started_at, took_ms, outcome, status, error) \
           SELECT id, number, strftime('%Y-%m-%dT%H:%M:%fZ', started_at, 'unixepoch'), \
                  took_ms, outcome, answered, error FROM mine WHERE number IS NOT NULL; \
         INSERT INTO failures (id, verdict, reason, attempts, bulk) \
           SELECT id, verdict, reason, attempts + crashes, bulk FROM mine WHERE verdict IS NOT NULL AND NOT replay; \
         UPDATE transactions SET status = mine.status, \
             processed_at = CASE mine.status WHEN 'PROCESSED' THEN {now} END \
           FROM mine WHERE transactions.id = mine.id AND transactions.status = 'PROCESSING' \
           AND mine.status IS NOT NULL; \
         INSERT INTO retries (id, due_at, set_at, crashes, waits, {CARRIED}) \
           SELECT id, {millis} + again_in, {millis}, crashes, true, {CARRIED} \
           FROM mine WHERE again_in IS NOT NULL; \
         UPDATE outbox SET attempts = mine.attempts \
           FROM mine WHERE outbox.id = mine.id AND mine.held IS NOT NULL; \
         DELETE FROM outbox WHERE id IN (SELECT id FROM mine WHERE held IS NULL); \
         SELECT count(*) FROM mine WHERE {IS_TOLD}; \
         DROP TABLE mine; \
         COMMIT"
    )
}
