//! `FAILED → PROCESSING`, for one or many, as a part of the statement that says whose wish that is.
//!
//! Who deletes the row in `failures` has reopened it: of two who want the same one finds none. The attempts go on where they
//! were, for each has a number of its own for ever; what they meant for the schedule is forgotten.

use sea_orm::{DatabaseConnection, DbBackend};

use super::{super::sql, standing::HAS_CONTENT};

/// What was known of what is reopened, as JSON for the audit.
const FORMER: &str =
    "('verdict', verdict, 'reason', reason, 'failed_at', failed_at, 'attempts', attempts)";

/// The statement that reopens those of the ids in $1 that are `FAILED` and have their content. `and` is a further condition
/// on `failures`, `bulk` the bulk retry as an SQL expression, `with` an insertion or update that reads the reopened from
/// `gone`, and has its former end in the column `former`. Returns how many that is.
pub(super) struct Reopening<'a> {
    pub(super) and: &'a str,
    pub(super) bulk: &'a str,
    /// Before it on PostgreSQL: further parts of the `WITH`, each with a comma after it.
    pub(super) before: &'a str,
    pub(super) with: &'a str,
}

impl Reopening<'_> {
    pub(super) fn statement(&self, db: &DatabaseConnection) -> String {
        match db.get_database_backend() {
            DbBackend::Postgres => self.postgres(db),
            _ => self.sqlite(db),
        }
    }

    fn postgres(&self, db: &DatabaseConnection) -> String {
        let now = sql::now_millis(db);
        let Self {
            and,
            bulk,
            before,
            with,
        } = self;
        format!(
            "WITH {before} \
             there AS MATERIALIZED (SELECT id, source, transaction_id FROM transactions \
               WHERE id = ANY($1) AND status = 'FAILED' AND {HAS_CONTENT}), \
             mine AS (DELETE FROM failures WHERE id = ANY($1) AND id IN (SELECT id FROM there) AND {and} \
               RETURNING id, attempts, bulk, json_build_object{FORMER}::text AS former), \
             gone AS (SELECT mine.*, source, transaction_id, \
                 greatest(mine.attempts, (SELECT max(number) FROM attempts WHERE attempts.id = mine.id)) AS earlier \
               FROM mine JOIN there ON there.id = mine.id), \
             reopened AS (UPDATE transactions SET status = 'PROCESSING' \
               WHERE id = ANY(ARRAY(SELECT id FROM mine)) AND status = 'FAILED' RETURNING id), \
             entries AS (INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits, earlier, bulk) \
               SELECT id, {now}, {now}, earlier, 0, 0, true, earlier, {bulk} FROM gone), \
             again AS (UPDATE bulk_retries SET retried_again = retried_again + known.count \
               FROM (SELECT bulk, count(*) AS count FROM mine WHERE bulk IS NOT NULL GROUP BY bulk) AS known \
               WHERE bulk_retries.id = known.bulk), \
             told AS ({with}) \
             SELECT count(*) FROM reopened"
        )
    }

    fn sqlite(&self, db: &DatabaseConnection) -> String {
        let now = sql::now_millis(db);
        let these = sql::is_one_of_the_ids(db, "failures.id");
        let Self {
            and, bulk, with, ..
        } = self;
        format!(
            "BEGIN IMMEDIATE; \
             CREATE TEMPORARY TABLE gone AS SELECT failures.id AS id, failures.bulk AS bulk, source, transaction_id, \
                 json_object{FORMER} AS former, \
                 max(attempts, coalesce((SELECT max(number) FROM attempts WHERE attempts.id = failures.id), 0)) AS earlier \
               FROM failures JOIN transactions ON transactions.id = failures.id \
               WHERE {these} AND status = 'FAILED' AND {HAS_CONTENT} AND {and}; \
             UPDATE bulk_retries SET retried_again = retried_again + \
                 (SELECT count(*) FROM gone WHERE gone.bulk = bulk_retries.id) \
               WHERE id IN (SELECT bulk FROM gone); \
             INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits, earlier, bulk) \
               SELECT id, {now}, {now}, earlier, 0, 0, true, earlier, {bulk} FROM gone; \
             UPDATE transactions SET status = 'PROCESSING' WHERE id IN (SELECT id FROM gone); \
             DELETE FROM failures WHERE id IN (SELECT id FROM gone); \
             {with}; \
             SELECT count(*) FROM gone; \
             DROP TABLE gone; \
             COMMIT"
        )
    }
}
