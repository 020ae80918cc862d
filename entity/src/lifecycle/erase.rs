//! The end of a transaction's content before its time, because somebody has a right to that. Its id stays known, with the
//! fingerprint of what was compared, so that a repeat stays a repeat; what it says stands nowhere any more.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, Value};
use uuid::Uuid;

use super::{
    Known, Range, count_of, execute,
    list::{Filter, page},
    operate::{
        By,
        audit::{INSERT, act, line},
    },
    retrying, sql,
};
use crate::{Account, statement::query_after};

/// Transactions that one statement erases.
const PORTION: usize = 200;
/// Conflicts that one statement deletes.
const CONFLICTS_PORTION: u64 = 500;
/// What stands in place of a reason, which may repeat what downstream said.
const ERASED: &str = "erased";

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Transactions whose content is gone.
    pub transactions: u64,
    /// Transactions that are unfinished: they keep theirs.
    pub unfinished: u64,
    /// Contents that had come under other ids and named the account.
    pub conflicts: u64,
}

/// Erases the content of one transaction: its row, payload, attempts and conflicts, and what was told of its failure. One that is
/// unfinished stays as it is.
pub async fn erase(db: &DatabaseConnection, known: &Known, by: &By) -> Result<Erased, DbErr> {
    let detail = serde_json::json!({ "id": known.id }).to_string();
    let transactions = portion(
        db,
        std::slice::from_ref(known),
        (Uuid::now_v7(), by),
        &detail,
    )
    .await?;
    Ok(Erased {
        transactions,
        unfinished: 1 - transactions.min(1),
        conflicts: 0,
    })
}

/// Erases the content of all transactions in which this account pays or receives, and all conflicts that name it. Reads every
/// transaction: there is no index on accounts. What only the bytes of an event say is not found.
///
/// The audit has one line for it, with how many they were. The account is not in it. `tell` is told after each portion how many
/// are erased so far.
pub async fn erase_account(
    db: &DatabaseConnection,
    account: &Account,
    by: &By,
    mut tell: impl FnMut(u64),
) -> Result<Erased, DbErr> {
    let (line, detail) = (Uuid::now_v7(), r#"{"of":"an account"}"#);
    let mut erased = Erased::default();
    let mut all = Accounts::new(account);
    while let Some(found) = all.next(db).await? {
        let count = found.len() as u64;
        let gone = portion(db, &found, (line, by), detail).await?;
        erased.transactions += gone;
        erased.unfinished += count - gone.min(count);
        tell(erased.transactions);
    }
    erased.conflicts = delete_conflicts(db, account, (line, by), detail).await?;
    Ok(erased)
}

/// How many transactions name this account. `tell` is told after each portion how many are counted so far.
pub async fn count_account(
    db: &DatabaseConnection,
    account: &Account,
    mut tell: impl FnMut(u64),
) -> Result<u64, DbErr> {
    let mut count = 0;
    let mut all = Accounts::new(account);
    while let Some(found) = all.next(db).await? {
        count += found.len() as u64;
        tell(count);
    }
    Ok(count)
}

/// The transactions of an account, portion by portion.
struct Accounts {
    filter: Filter,
    /// `None` if all have been looked at.
    range: Option<Range>,
}

impl Accounts {
    fn new(account: &Account) -> Self {
        Self {
            filter: Filter {
                account: Some(account.clone()),
                ..Filter::default()
            },
            range: Some(Range {
                from: Uuid::nil(),
                to: Uuid::max(),
            }),
        }
    }

    /// May be empty where they are rare.
    async fn next(&mut self, db: &DatabaseConnection) -> Result<Option<Vec<Known>>, DbErr> {
        let Some(range) = self.range.take() else {
            return Ok(None);
        };
        let page = page(db, &self.filter, range, PORTION).await?;
        self.range = page.next.map(|to| Range { to, ..range });
        let rows = page.rows.into_iter().map(|row| Known {
            id: row.id,
            source: row.source,
            transaction_id: row.transaction_id,
            status: row.status,
        });
        Ok(Some(rows.collect()))
    }
}

/// Erases those of them that are finished, and adds them to the act's line in the audit, in one commit. Returns how many.
async fn portion(
    db: &DatabaseConnection,
    known: &[Known],
    (act_id, by): (Uuid, &By),
    detail: &str,
) -> Result<u64, DbErr> {
    if known.is_empty() {
        return Ok(0);
    }
    let is_one = known.len() == 1 && detail.contains("\"id\"");
    let about = match is_one {
        true => "min(source), min(transaction_id)",
        false => "NULL, NULL",
    };
    let told = format!(
        "{INSERT} SELECT ACT_ID, '{}', WHO, WHY, {about}, NULL, count(*), DETAIL FROM these \
         WHERE true HAVING count(*) > 0 \
         ON CONFLICT (id) DO UPDATE SET count = audit.count + excluded.count",
        act::ERASE
    );
    match db.get_database_backend() {
        DbBackend::Postgres => on_postgres(db, known, (act_id, by), (&told, detail)).await,
        _ => on_sqlite(db, known, (act_id, by), (&told, detail)).await,
    }
}

/// `no work is left for the row in GIVEN`, as an SQL condition.
fn is_finished(given: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.id = {given}.id) \
         AND NOT EXISTS (SELECT 1 FROM retries WHERE retries.id = {given}.id) \
         AND NOT EXISTS (SELECT 1 FROM transactions WHERE transactions.id = {given}.id AND status = 'PROCESSING')"
    )
}

async fn on_postgres(
    db: &DatabaseConnection,
    known: &[Known],
    (act_id, by): (Uuid, &By),
    (told, detail): (&str, &str),
) -> Result<u64, DbErr> {
    // Of an operator who retries or replays one of them and this one the second waits for the first, and then sees what it did.
    let lock = "SELECT id FROM transactions WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE";
    let ids = || sql::ids(db, known.iter().map(|known| known.id));
    let told = told.replace("ACT_ID", "$4::uuid");
    let told = told.replace("WHO", "$5::text").replace("WHY", "$6::text");
    let told = told
        .replace("DETAIL", "$7::text")
        .replace("WHERE true ", "");
    let these = "ANY(ARRAY(SELECT id FROM these))";
    let erase = format!(
        "WITH given AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS given (id, source, transaction_id)), \
         these AS MATERIALIZED (SELECT * FROM given WHERE {}), \
         rows AS (DELETE FROM transactions WHERE id = {these}), \
         bytes AS (DELETE FROM payloads WHERE id = {these}), \
         tries AS (DELETE FROM attempts WHERE id = {these}), \
         others AS (DELETE FROM conflicts USING these \
           WHERE conflicts.transaction_id = these.transaction_id AND conflicts.source = these.source), \
         reasons AS (UPDATE failures SET reason = '{ERASED}' WHERE id = {these}), \
         told AS ({told}) \
         SELECT count(*) FROM these",
        is_finished("given")
    );
    let texts = |text: fn(&Known) -> &str| -> Value {
        let texts = known.iter().map(|known| text(known).to_owned());
        texts.collect::<Vec<String>>().into()
    };
    let rows = retrying(|| {
        let mut values = vec![
            ids(),
            texts(|known| known.source.as_ref()),
            texts(|known| known.transaction_id.as_ref()),
        ];
        values.extend(line(act_id, by));
        values.push(detail.into());
        let lock = sql::statement(db, lock, [ids()]);
        query_after(db, lock, sql::statement(db, erase.as_str(), values))
    })
    .await?;
    let count: i64 = match rows.first() {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    Ok(count.unsigned_abs())
}

async fn on_sqlite(
    db: &DatabaseConnection,
    known: &[Known],
    (act_id, by): (Uuid, &By),
    (told, detail): (&str, &str),
) -> Result<u64, DbErr> {
    let given = known.iter().map(|known| {
        serde_json::Value::from(vec![
            known.id.simple().to_string(),
            known.source.to_string(),
            known.transaction_id.to_string(),
        ])
    });
    let told = told.replace("ACT_ID", "$2");
    let told = told.replace("WHO", "$3").replace("WHY", "$4");
    let told = told.replace("DETAIL", "$5");
    let erase = format!(
        "BEGIN IMMEDIATE; \
         CREATE TEMPORARY TABLE these AS SELECT * FROM \
           (SELECT unhex(value ->> 0) AS id, value ->> 1 AS source, value ->> 2 AS transaction_id FROM json_each($1)) AS given \
           WHERE {}; \
         DELETE FROM transactions WHERE id IN (SELECT id FROM these); \
         DELETE FROM payloads WHERE id IN (SELECT id FROM these); \
         DELETE FROM attempts WHERE id IN (SELECT id FROM these); \
         DELETE FROM conflicts WHERE (source, transaction_id) IN (SELECT source, transaction_id FROM these); \
         UPDATE failures SET reason = '{ERASED}' WHERE id IN (SELECT id FROM these); \
         {told}; \
         SELECT count(*) FROM these; \
         DROP TABLE these; \
         COMMIT",
        is_finished("given")
    );
    let mut values = vec![sql::json(given)];
    values.extend(line(act_id, by));
    values.push(detail.into());
    count_of(db, sql::statement(db, erase, values)).await
}

/// What came under other ids and names the account. Returns how many.
async fn delete_conflicts(
    db: &DatabaseConnection,
    account: &Account,
    (act_id, by): (Uuid, &By),
    detail: &str,
) -> Result<u64, DbErr> {
    let names_it = "source_account = $1 OR destination_account = $1";
    let delete = format!(
        "DELETE FROM conflicts WHERE id IN (SELECT id FROM conflicts WHERE {names_it} LIMIT {CONFLICTS_PORTION})"
    );
    // Before the effect: where there was no transaction there is no line yet.
    let told = format!(
        "{INSERT} SELECT $2, '{}', $3, $4, NULL, NULL, NULL, 0, $5 \
         WHERE EXISTS (SELECT 1 FROM conflicts WHERE {names_it}) ON CONFLICT (id) DO NOTHING",
        act::ERASE
    );
    let account = Value::from(account.as_ref());
    let values = || {
        let mut values = vec![account.clone()];
        values.extend(line(act_id, by));
        values.push(detail.into());
        values
    };
    execute(db, sql::statement(db, told, values())).await?;
    let mut all = 0;
    loop {
        let deleted = execute(db, sql::statement(db, &delete, [account.clone()])).await?;
        all += deleted;
        if deleted < CONFLICTS_PORTION {
            return Ok(all);
        }
    }
}
