//! Counts and exact sums of a span of time, a portion of rows at a time: what is summed may be all there is, and no statement
//! may take long.

use std::collections::BTreeMap;

use sea_orm::{DatabaseConnection, DbBackend, DbErr, QueryResult};
use uuid::Uuid;

use super::{Range, sql};
use crate::{Amount, Currency, SourceName, Status, Sum, statement::look_up};

/// Rows that one statement reads.
pub const PORTION: u64 = 10_000;

/// What transactions that are counted together have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub source: SourceName,
    pub currency: Option<Currency>,
    pub status: Status,
}

/// Transactions of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub count: u64,
    /// Of those that have an amount.
    pub sum: Sum,
    /// How many have one.
    pub with_amount: u64,
}

impl Total {
    /// Adds what another portion, or another kind, came to.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.with_amount += other.with_amount;
    }
}

/// Adds the next portion of a range, from `from` on, to `totals`. Returns where the next one begins; `None` if that was the last.
pub async fn add(
    db: &DatabaseConnection,
    range: Range,
    totals: &mut BTreeMap<Kind, Total>,
) -> Result<Option<Uuid>, DbErr> {
    let next = format!(
        "SELECT id FROM transactions WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1 OFFSET {PORTION}"
    );
    let values = [range.from.into(), range.to.into()];
    let rows = look_up(db, || sql::statement(db, &next, values.clone())).await?;
    let next: Option<Uuid> = rows
        .first()
        .map(|row| row.try_get_by_index(0))
        .transpose()?;
    // SQLite's sums are binary floating point: there equal amounts are counted, and summed here.
    let (amount, by_amount) = match db.get_database_backend() {
        DbBackend::Postgres => ("CAST(sum(amount) AS text)", ""),
        _ => ("amount", ", amount"),
    };
    let select = format!(
        "SELECT source, currency, status, {amount} AS amount, count(*) AS count, count(amount) AS with_amount \
         FROM transactions WHERE id >= $1 AND id < $2 GROUP BY source, currency, status{by_amount}"
    );
    let values = [range.from.into(), next.unwrap_or(range.to).into()];
    let rows = look_up(db, || sql::statement(db, &select, values.clone())).await?;
    let is_summed = by_amount.is_empty();
    for row in &rows {
        let (kind, total) = read(row, is_summed)?;
        totals.entry(kind).or_default().add(total);
    }
    Ok(next)
}

fn read(row: &QueryResult, is_summed: bool) -> Result<(Kind, Total), DbErr> {
    let kind = Kind {
        source: row.try_get_by("source")?,
        currency: row.try_get_by("currency")?,
        status: row.try_get_by("status")?,
    };
    let count = row.try_get_by::<i64, _>("count")?.unsigned_abs();
    let with_amount = row.try_get_by::<i64, _>("with_amount")?.unsigned_abs();
    let amount: Option<String> = row.try_get_by("amount")?;
    let sum = match (amount, is_summed) {
        (None, _) => Sum::default(),
        (Some(sum), true) => sum
            .parse()
            .map_err(|_| DbErr::Type("a sum is no number".into()))?,
        (Some(amount), false) => {
            let amount: Amount = amount
                .parse()
                .map_err(|_| DbErr::Type("an amount is no number".into()))?;
            Sum::of(amount, count)
        }
    };
    let total = Total {
        count,
        sum,
        with_amount,
    };
    Ok((kind, total))
}
