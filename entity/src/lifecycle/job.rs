//! What there is to do for what has been taken, where the work needs to know what it is.

use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use super::{Webhook, query, sql};

/// One transaction to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
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

/// What is to be done for these transactions, as far as they are unfinished.
pub async fn jobs(db: &DatabaseConnection, ids: &[Uuid]) -> Result<Vec<Job>, DbErr> {
    let jobs = format!(
        "SELECT transactions.id, transaction_id, source_account, destination_account, \
                CAST(amount AS text) AS amount, currency, attempts + crashes + 1 AS attempt, failures, \
                attempts - failures AS deferrals \
         FROM transactions JOIN outbox ON outbox.id = transactions.id WHERE {}",
        sql::is_one_of_the_ids(db, "transactions.id")
    );
    let values = [sql::ids(db, ids)];
    let rows = query(db, sql::statement(db, jobs, values)).await?;
    rows.iter()
        .map(|row| {
            Ok(Job {
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
