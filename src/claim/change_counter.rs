//! The number in the database's first page by which a copy can be told from the file.

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, SqliteConnection};

/// Raises the database's change counter if anybody else has committed since the last time, so that what was copied before can be
/// told from what is there now: writes its first page as it is.
pub async fn raise(anchor: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut transaction = anchor.begin_with("BEGIN IMMEDIATE").await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {version}")))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
