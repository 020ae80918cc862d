//! The first step of a life: a batch of webhooks becomes rows.

mod rows;

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use uuid::Uuid;

use super::{
    Status, Webhook, code, conflict, count_of, execute, millis, partition, query, retrying, sql,
};
use rows::Rows;

/// A webhook on its way into the database.
#[derive(Clone, Debug)]
pub struct Received {
    /// The id that its row gets if it is the first of its `transaction_id`.
    pub id: Uuid,
    /// What the sender said.
    pub webhook: Webhook,
}

/// What became of one webhook. Whatever it is, it has been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is the first of its `transaction_id`: its row and its outbox entry exist.
    New,
    /// Its `transaction_id` was known.
    Duplicate {
        /// The id of the row that it stands for, kept or not.
        id: Uuid,
        /// Where the transaction is now.
        status: Status,
        /// It says something else than the first did. The first stands; this one is in `conflicts`.
        conflict: bool,
    },
}

/// Commits a batch and says what became of each, in the order of `batch`. All of it is committed, or nothing.
///
/// `due_in` is when the outbox hands a new id to whoever sweeps it, if the relay has not published it
/// by then. A repeated call with the same ids answers as the first would have.
pub async fn receive(
    db: &DatabaseConnection,
    batch: &[Received],
    due_in: Duration,
) -> Result<Vec<Receipt>, DbErr> {
    let nothing = batch.iter().map(|_| None).collect();
    commit(db, batch, nothing, due_in).await
}

/// The same, cheaper where most of the batch is known, and dearer where it is not: it looks what stands before it tries to
/// insert.
pub async fn receive_repeats(
    db: &DatabaseConnection,
    batch: &[Received],
    due_in: Duration,
) -> Result<Vec<Receipt>, DbErr> {
    let standing = standing(db, batch).await?;
    commit(db, batch, standing, due_in).await
}

/// Inserts what does not stand yet, as far as has been seen, and answers all.
async fn commit(
    db: &DatabaseConnection,
    batch: &[Received],
    mut standing: Vec<Option<Standing>>,
    due_in: Duration,
) -> Result<Vec<Receipt>, DbErr> {
    let seen = batch.iter().zip(&standing);
    let new: Vec<&Received> = seen
        .filter(|(_, stands)| stands.is_none())
        .map(|(received, _)| received)
        .collect();
    if !new.is_empty() && insert(db, &new, due_in).await? < new.len() as u64 {
        standing = self::standing(db, batch).await?;
        if standing.iter().any(Option::is_none) {
            let gone = "a key that was just seen is gone";
            return Err(DbErr::RecordNotFound(gone.into()));
        }
    }
    compare(db, batch, standing).await
}

/// Inserts those whose id is new. Returns how many.
async fn insert(
    db: &DatabaseConnection,
    batch: &[&Received],
    due_in: Duration,
) -> Result<u64, DbErr> {
    // One order for everybody: two processes that write the same ids wait for each other instead of
    // deadlocking. The sort is stable, so of equals in one batch the first stands.
    let mut sorted: Vec<(Uuid, &Webhook)> = batch.iter().map(|r| (r.id, &r.webhook)).collect();
    sorted.sort_by(|(_, a), (_, b)| key(a).cmp(&key(b)));
    let rows = Rows::new(sorted);
    match db.get_database_backend() {
        DbBackend::Postgres => match insert_postgres(db, &rows, due_in).await {
            Err(error)
                if is_check(&error)
                    && partition::make_for(db, batch.iter().map(|r| r.id)).await? =>
            {
                insert_postgres(db, &rows, due_in).await
            }
            inserted => inserted,
        },
        _ => insert_sqlite(db, &rows, due_in).await,
    }
}

/// What an event is known by.
fn key(webhook: &Webhook) -> (&str, &str) {
    (webhook.source.as_ref(), webhook.transaction_id.as_ref())
}

/// check_violation. PostgreSQL's code for a row without a partition, too.
fn is_check(error: &DbErr) -> bool {
    code(error).is_some_and(|code| code == "23514")
}

/// Inserts those whose id is new, each with its outbox entry. Returns how many.
async fn insert_postgres(
    db: &DatabaseConnection,
    rows: &Rows<'_>,
    due_in: Duration,
) -> Result<u64, DbErr> {
    let insert = || {
        let (batch, mut values) = rows.select(db);
        values.push(millis(due_in).into());
        let (due_in, now) = (values.len(), sql::now_millis(db));
        let content = rows.content();
        let stored = rows.payload().map_or_else(String::new, |payload| {
            format!(
                "stored AS (INSERT INTO payloads ({payload}) SELECT {payload} \
                   FROM batch JOIN claimed USING (id) WHERE source <> 'transactions'), "
            )
        });
        let insert = format!(
            "WITH batch AS ({batch}), \
             claimed AS (INSERT INTO keys (source, transaction_id, id, fingerprint) \
               SELECT source, transaction_id, id, fingerprint FROM batch \
               ON CONFLICT (source, transaction_id) DO NOTHING RETURNING id), \
             inserted AS (INSERT INTO transactions ({content}) SELECT {content} \
               FROM batch JOIN claimed USING (id)), \
             {stored}\
             due AS (INSERT INTO outbox (id, due_at) SELECT id, {now} + ${due_in} FROM claimed) \
             SELECT count(*) FROM claimed"
        );
        sql::statement(db, insert, values)
    };
    retrying(|| count_of(db, insert())).await
}

/// The same. The batch is read once, into a table of the connection's own. A row that this call did not make, but an earlier
/// try of it, may be finished already: it gets no second entry.
async fn insert_sqlite(
    db: &DatabaseConnection,
    rows: &Rows<'_>,
    due_in: Duration,
) -> Result<u64, DbErr> {
    let (select, mut values) = rows.select(db);
    values.push(millis(due_in).into());
    values.push((rows.len() as i64).into());
    let (batch, content, now) = (rows.all(), rows.content(), sql::now_millis(db));
    let stored = rows.payload().map_or_else(String::new, |payload| {
        format!(
            "INSERT INTO payloads ({payload}) SELECT {payload} FROM batch \
               WHERE source <> 'transactions' AND {IS_OURS} ON CONFLICT (id) DO NOTHING; "
        )
    });
    // Where all are new there is no need to look whose each is.
    let insert = format!(
        "CREATE TEMPORARY TABLE IF NOT EXISTS batch ({}); \
         BEGIN IMMEDIATE; \
         INSERT INTO batch ({batch}) {select}; \
         INSERT INTO keys (source, transaction_id, id, fingerprint) \
           SELECT source, transaction_id, id, fingerprint FROM batch WHERE true \
           ON CONFLICT (source, transaction_id) DO NOTHING; \
         SELECT changes(); \
         INSERT INTO transactions ({content}) SELECT {content} FROM batch \
           WHERE changes() = $3 OR {IS_OURS} ON CONFLICT (id) DO NOTHING; \
         INSERT INTO outbox (id, due_at) SELECT id, {now} + $2 FROM batch \
           WHERE changes() = $3 OR EXISTS (SELECT 1 FROM transactions \
             WHERE transactions.id = batch.id AND status = 'PROCESSING') ON CONFLICT (id) DO NOTHING; \
         {stored}\
         DELETE FROM batch; \
         COMMIT",
        Rows::columns_of_all()
    );
    count_of(db, sql::statement(db, insert, values)).await
}

/// Whether the key is the batch's, and not one that stood before.
const IS_OURS: &str = "EXISTS (SELECT 1 FROM keys WHERE keys.source = batch.source \
     AND keys.transaction_id = batch.transaction_id AND keys.id = batch.id)";

/// What stands under a key.
struct Standing {
    id: Uuid,
    fingerprint: Uuid,
    status: Status,
}

/// Says what became of each, where nothing stands it is new; keeps those that say something else than what stands.
async fn compare(
    db: &DatabaseConnection,
    batch: &[Received],
    standing: Vec<Option<Standing>>,
) -> Result<Vec<Receipt>, DbErr> {
    let mut conflicts = Vec::new();
    let mut receipts = Vec::with_capacity(batch.len());
    for (Received { id, webhook }, stands) in batch.iter().zip(standing) {
        receipts.push(match stands {
            None => Receipt::New,
            // A row with our own id was made by this call, or by an earlier try of it.
            Some(stands) if stands.id == *id => Receipt::New,
            Some(stands) => {
                let conflict = stands.fingerprint != webhook.fingerprint();
                if conflict {
                    conflicts.push((conflict::id(webhook), webhook));
                }
                Receipt::Duplicate {
                    id: stands.id,
                    status: stands.status,
                    conflict,
                }
            }
        });
    }
    if !conflicts.is_empty() {
        keep(db, &Rows::new(conflicts)).await?;
    }
    Ok(receipts)
}

/// Keeps what came under a known id with other content, once per content.
async fn keep(db: &DatabaseConnection, rows: &Rows<'_>) -> Result<(), DbErr> {
    let (batch, values) = rows.select(db);
    let columns = match rows.has_payloads() {
        true => format!("{}, body", rows.content()),
        false => rows.content(),
    };
    let insert = format!(
        "INSERT INTO conflicts ({columns}) SELECT {columns} FROM ({batch}) AS batch WHERE true \
         ON CONFLICT (id) DO NOTHING"
    );
    execute(db, sql::statement(db, insert, values)).await?;
    Ok(())
}

/// What stands for each webhook of the batch, in its order. A key outlives its row: what has been deleted had been finished.
async fn standing(
    db: &DatabaseConnection,
    batch: &[Received],
) -> Result<Vec<Option<Standing>>, DbErr> {
    let keys = batch.iter().map(|received| key(&received.webhook));
    // Key by key, and row by row: any other order would read what nobody has asked for.
    let its_key = match db.get_database_backend() {
        DbBackend::Postgres => {
            "CROSS JOIN LATERAL (SELECT id, fingerprint FROM keys WHERE keys.source = asked.source \
               AND keys.transaction_id = asked.transaction_id OFFSET 0) AS keys"
        }
        _ => {
            "CROSS JOIN keys ON keys.source = asked.source AND keys.transaction_id = asked.transaction_id"
        }
    };
    let select = format!(
        "SELECT place, keys.id, fingerprint, \
                coalesce((SELECT status FROM transactions WHERE transactions.id = keys.id), \
                         (SELECT 'FAILED' FROM failures WHERE failures.id = keys.id), 'PROCESSED') AS status \
         FROM {} {its_key}",
        sql::asked_keys(db)
    );
    let rows = query(db, sql::statement(db, select, sql::keys(db, keys))).await?;
    let mut standing: Vec<Option<Standing>> = batch.iter().map(|_| None).collect();
    for row in rows {
        let place: i64 = row.try_get_by_index(0)?;
        let at = usize::try_from(place - 1).unwrap_or(usize::MAX);
        if let Some(stands) = standing.get_mut(at) {
            *stands = Some(Standing {
                id: row.try_get_by_index(1)?,
                fingerprint: row.try_get_by_index(2)?,
                status: row.try_get_by_index(3)?,
            });
        }
    }
    Ok(standing)
}
