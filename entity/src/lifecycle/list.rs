//! Pages of transactions, newest first by the row's id, which begins with its milliseconds since 1970.
//!
//! There is no index but that of the ids: one on what is searched for would cost every webhook. So a page looks at a bounded
//! number of rows, says what it has found there and where to go on, and takes its time whether it finds anything or not. What
//! is unfinished or has failed is looked for in the small tables.

use sea_orm::{ActiveEnum as _, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Range, read::COLUMNS, sql};
use crate::{
    Account, Amount, Currency, EventType, SourceName, Status, statement::look_up, transaction,
};

/// Rows of `transactions` that a page looks at.
const ROWS_MAX: u64 = 5_000;
/// Entries of a small table that a page looks at: each costs a look for its row, which may be anywhere.
const ENTRIES_MAX: u64 = 300;

/// What the transactions on a page have in common; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub status: Option<Status>,
    pub source: Option<SourceName>,
    pub kind: Option<EventType>,
    /// Pays or receives.
    pub account: Option<Account>,
    pub amount: Option<Amount>,
    pub currency: Option<Currency>,
}

/// Some transactions, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub rows: Vec<transaction::Model>,
    /// Below this id there may be more: the `to` of the next page. `None` if all have been looked at.
    pub next: Option<Uuid>,
}

/// The lowest id of a row that was received at this time or later, by the receiver's clock. Its milliseconds have 48 bits:
/// what they cannot say becomes the nearest that they can.
pub fn first_id(time: OffsetDateTime) -> Uuid {
    let nanos = time.unix_timestamp_nanos().max(0);
    let millis = u128::try_from(nanos).unwrap_or(0).div_ceil(1_000_000);
    Uuid::from_u128(millis.min((1 << 48) - 1) << 80)
}

impl Filter {
    /// The small table that has an entry for each transaction it applies to, as an SQL source of ids.
    fn small_table(&self) -> Option<&'static str> {
        match self.status {
            Some(Status::Processing) => {
                Some("(SELECT id FROM outbox UNION ALL SELECT id FROM retries) AS unfinished")
            }
            Some(Status::Failed) => Some("failures"),
            Some(Status::Processed) | None => None,
        }
    }

    /// A condition on `transactions` whose parameters are those from $3 on.
    fn condition(db: &DatabaseConnection) -> &'static str {
        match db.get_database_backend() {
            DbBackend::Postgres => {
                "($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR source = $4) \
                 AND ($5::text IS NULL OR type = $5) \
                 AND ($6::text IS NULL OR source_account = $6 OR destination_account = $6) \
                 AND ($7::text IS NULL OR amount = $7::text::numeric) AND ($8::text IS NULL OR currency = $8)"
            }
            // An amount is kept as the text that it is written with.
            _ => {
                "($3 IS NULL OR status = $3) AND ($4 IS NULL OR source = $4) AND ($5 IS NULL OR type = $5) \
                 AND ($6 IS NULL OR source_account = $6 OR destination_account = $6) \
                 AND ($7 IS NULL OR amount = $7) AND ($8 IS NULL OR currency = $8)"
            }
        }
    }

    fn values(&self) -> [Value; 6] {
        let text = |text: Option<&str>| Value::from(text.map(str::to_owned));
        [
            self.status.map(|status| status.to_value()).into(),
            text(self.source.as_ref().map(AsRef::as_ref)),
            text(self.kind.as_ref().map(AsRef::as_ref)),
            text(self.account.as_ref().map(AsRef::as_ref)),
            self.amount.map(|amount| amount.to_string()).into(),
            text(self.currency.as_ref().map(AsRef::as_ref)),
        ]
    }
}

/// The newest transactions of `range` to which `filter` applies, at most `limit`, and fewer where they are rare.
///
/// Whoever goes from page to page sees each once that was there when they began. What is committed later under an id that is
/// higher than where they are is not seen.
pub async fn page(
    db: &DatabaseConnection,
    filter: &Filter,
    range: Range,
    limit: usize,
) -> Result<Page, DbErr> {
    // Where everything is wanted, the first rows are the page.
    let end = match *filter == Filter::default() {
        true => None,
        false => end(db, filter, range).await?,
    };
    let within = Range {
        from: end.unwrap_or(range.from),
        to: range.to,
    };
    let mut rows = found(db, filter, within, limit + 1).await?;
    let next = match rows.len() > limit {
        true => {
            rows.truncate(limit);
            rows.last().map(|row| row.id)
        }
        false => end,
    };
    Ok(Page { rows, next })
}

/// The last of the entries that are looked at, if there are so many.
async fn end(
    db: &DatabaseConnection,
    filter: &Filter,
    range: Range,
) -> Result<Option<Uuid>, DbErr> {
    let (table, entries) = match filter.small_table() {
        Some(table) => (table, ENTRIES_MAX),
        None => ("transactions", ROWS_MAX),
    };
    let before = entries - 1;
    let end = format!(
        "SELECT id FROM {table} WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1 OFFSET {before}"
    );
    let values = [range.from.into(), range.to.into()];
    let rows = look_up(db, || sql::statement(db, &end, values.clone())).await?;
    rows.first().map(|row| row.try_get_by_index(0)).transpose()
}

async fn found(
    db: &DatabaseConnection,
    filter: &Filter,
    range: Range,
    limit: usize,
) -> Result<Vec<transaction::Model>, DbErr> {
    let condition = Filter::condition(db);
    // In the order of what is gone along, or all of it would be read and sorted before the first row is there.
    let rows = match filter.small_table() {
        None => format!("transactions WHERE id >= $1 AND id < $2 AND {condition} ORDER BY id DESC"),
        Some(table) => format!(
            "(SELECT id FROM {table} WHERE id >= $1 AND id < $2 ORDER BY id DESC) AS entries {} WHERE {condition} \
             ORDER BY entries.id DESC",
            the_row(db)
        ),
    };
    let select = format!("SELECT {COLUMNS} FROM {rows} LIMIT {limit}");
    let values = [range.from.into(), range.to.into()];
    let values: Vec<Value> = values.into_iter().chain(filter.values()).collect();
    let rows = look_up(db, || sql::statement(db, &select, values.clone())).await?;
    let rows = rows.iter();
    rows.map(|row| transaction::Model::from_query_result(row, ""))
        .collect()
}

/// Joins the row of each entry, entry by entry: any other order would read rows that are none of theirs.
fn the_row(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            "CROSS JOIN LATERAL (SELECT * FROM transactions WHERE transactions.id = entries.id OFFSET 0) AS transactions"
        }
        _ => "CROSS JOIN transactions ON transactions.id = entries.id",
    }
}
