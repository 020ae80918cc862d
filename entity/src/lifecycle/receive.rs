//! The first step of a life: a batch of webhooks becomes rows.

use std::{collections::HashMap, time::Duration};

use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::{
    Status, TransactionId, Webhook, conflict, count_of, execute, millis, query, retrying, sql,
    transaction,
};

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
        /// Where the transaction is now.
        status: Status,
        /// It says something else than the first did. The first stands; this one is in `conflicts`.
        conflict: bool,
    },
}

/// Commits a batch and says what became of each, in the order of `batch`.
///
/// `due_in` is when the outbox hands a new id to whoever sweeps it, if the relay has not published it
/// by then. A repeated call with the same ids answers as the first would have.
pub async fn receive(
    db: &DatabaseConnection,
    batch: &[Received],
    due_in: Duration,
) -> Result<Vec<Receipt>, DbErr> {
    // One order for everybody: two processes that write the same ids wait for each other instead of
    // deadlocking. The sort is stable, so of equals in one batch the first stands.
    let mut sorted: Vec<&Received> = batch.iter().collect();
    sorted.sort_by(|a, b| a.webhook.transaction_id.cmp(&b.webhook.transaction_id));
    let inserted = match db.get_database_backend() {
        DbBackend::Postgres => insert_postgres(db, &sorted, due_in).await?,
        _ => insert_sqlite(db, &sorted, due_in).await?,
    };
    if inserted == batch.len() as u64 {
        return Ok(vec![Receipt::New; batch.len()]);
    }
    compare_with_what_stands(db, batch).await
}

/// The columns that a webhook fills, in `transactions` and in `conflicts`.
const COLUMNS: &str = "id, transaction_id, source_account, destination_account, amount, currency";

/// `rows` as a query for [`COLUMNS`] over `$1 …`, and the values to bind.
fn select<'a>(
    db: &DatabaseConnection,
    rows: impl Iterator<Item = (Uuid, &'a Webhook)> + Clone,
) -> (&'static str, Vec<Value>) {
    if db.get_database_backend() == DbBackend::Postgres {
        let column = |text: fn(&Webhook) -> &str| {
            sql::texts(db, rows.clone().map(|(_, webhook)| text(webhook)))
        };
        let amounts: Vec<String> = rows.clone().map(|(_, w)| w.amount.to_string()).collect();
        let values = vec![
            sql::ids(db, rows.clone().map(|(id, _)| id)),
            column(|w| w.transaction_id.as_ref()),
            column(|w| w.source_account.as_ref()),
            column(|w| w.destination_account.as_ref()),
            amounts.into(),
            column(|w| w.currency.as_ref()),
        ];
        return (
            "SELECT id, t, s, d, a::numeric, c FROM \
               unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) \
               AS batch (id, t, s, d, a, c)",
            values,
        );
    }
    let rows = rows.map(|(id, webhook)| {
        serde_json::Value::from(vec![
            serde_json::Value::from(id.simple().to_string()),
            webhook.transaction_id.as_ref().into(),
            webhook.source_account.as_ref().into(),
            webhook.destination_account.as_ref().into(),
            webhook.amount.to_string().into(),
            webhook.currency.as_ref().into(),
        ])
    });
    (
        // `WHERE true` keeps SQLite from reading ON CONFLICT as part of a join.
        "SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 \
         FROM json_each($1) WHERE true",
        vec![sql::json(rows)],
    )
}

/// Inserts those whose `transaction_id` is new, each with its outbox entry. Returns how many.
async fn insert_postgres(
    db: &DatabaseConnection,
    sorted: &[&Received],
    due_in: Duration,
) -> Result<u64, DbErr> {
    let insert = || {
        let (select, mut values) = select(db, sorted.iter().map(|r| (r.id, &r.webhook)));
        values.push(millis(due_in).into());
        let now = sql::now_millis(db);
        let insert = format!(
            "WITH inserted AS (INSERT INTO transactions ({COLUMNS}) {select} \
               ON CONFLICT (transaction_id) DO NOTHING RETURNING id), \
             due AS (INSERT INTO outbox (id, due_at) SELECT id, {now} + $7 FROM inserted) \
             SELECT count(*) FROM inserted"
        );
        sql::statement(db, insert, values)
    };
    retrying(|| count_of(db, insert())).await
}

/// The same. A row that this call did not make, but an earlier try of it, may be finished already: it
/// gets no second entry.
async fn insert_sqlite(
    db: &DatabaseConnection,
    sorted: &[&Received],
    due_in: Duration,
) -> Result<u64, DbErr> {
    let (select, mut values) = select(db, sorted.iter().map(|r| (r.id, &r.webhook)));
    values.push(millis(due_in).into());
    let now = sql::now_millis(db);
    let insert = format!(
        "BEGIN IMMEDIATE; \
         INSERT INTO transactions ({COLUMNS}) {select} ON CONFLICT (transaction_id) DO NOTHING; \
         SELECT changes(); \
         INSERT INTO outbox (id, due_at) SELECT id, {now} + $2 FROM transactions \
           WHERE id IN (SELECT unhex(value ->> 0) FROM json_each($1)) AND status = 'PROCESSING' \
           ON CONFLICT (id) DO NOTHING; \
         COMMIT"
    );
    count_of(db, sql::statement(db, insert, values)).await
}

/// Looks up the row that stands for each webhook; keeps those that say something else.
async fn compare_with_what_stands(
    db: &DatabaseConnection,
    batch: &[Received],
) -> Result<Vec<Receipt>, DbErr> {
    let standing: HashMap<TransactionId, transaction::Model> = standing(db, batch)
        .await?
        .into_iter()
        .map(|row| (row.transaction_id.clone(), row))
        .collect();
    let mut conflicts = Vec::new();
    let mut receipts = Vec::with_capacity(batch.len());
    for Received { id, webhook } in batch {
        let row = standing
            .get(&webhook.transaction_id)
            .ok_or_else(|| DbErr::RecordNotFound("a row that was just seen is gone".into()))?;
        // A row with our own id was made by this call, or by an earlier try of it.
        receipts.push(if row.id == *id {
            Receipt::New
        } else {
            let conflict = !row.matches(webhook);
            if conflict {
                conflicts.push(webhook);
            }
            Receipt::Duplicate {
                status: row.status,
                conflict,
            }
        });
    }
    if !conflicts.is_empty() {
        let (select, values) = select(db, conflicts.iter().map(|w| (conflict::id(w), *w)));
        let insert =
            format!("INSERT INTO conflicts ({COLUMNS}) {select} ON CONFLICT (id) DO NOTHING");
        execute(db, sql::statement(db, insert, values)).await?;
    }
    Ok(receipts)
}

async fn standing(
    db: &DatabaseConnection,
    batch: &[Received],
) -> Result<Vec<transaction::Model>, DbErr> {
    let statement = sql::statement(
        db,
        format!(
            "SELECT id, transaction_id, source_account, destination_account, \
                    CAST(amount AS text) AS amount, currency, status, created_at, processed_at \
             FROM transactions WHERE {}",
            sql::is_one_of_the_texts(db, "transaction_id")
        ),
        [sql::texts(
            db,
            batch.iter().map(|r| r.webhook.transaction_id.as_ref()),
        )],
    );
    let rows = query(db, statement).await?;
    rows.iter()
        .map(|row| transaction::Model::from_query_result(row, ""))
        .collect()
}
