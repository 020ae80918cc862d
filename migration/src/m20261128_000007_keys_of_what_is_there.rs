//! `keys` gets what was there before it, on PostgreSQL, while the version before serves: this locks out nobody.

use std::time::{Duration, Instant};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

use crate::m20261128_000006_keys::FINGERPRINT;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Rows that are filled in by one statement.
const PORTION: u32 = 20_000;
/// Smaller than every id.
const NONE: &str = "00000000-0000-0000-0000-000000000000";
/// Between two words about how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let db = manager.get_connection();
        let fill = format!(
            "WITH portion AS (SELECT * FROM transactions WHERE id > $1::uuid ORDER BY id LIMIT {PORTION}), \
             filled AS (INSERT INTO keys (source, transaction_id, id, fingerprint) \
               SELECT 'transactions', transaction_id, id, {} FROM portion \
               ON CONFLICT (source, transaction_id) DO NOTHING) \
             SELECT id::text, (SELECT count(*) FROM portion) FROM portion ORDER BY id DESC LIMIT 1",
            FINGERPRINT.replace("ROW", "portion")
        );
        let mut last = NONE.to_owned();
        let (mut rows, mut told) = (0, Instant::now());
        loop {
            let portion = Statement::from_sql_and_values(DbBackend::Postgres, &fill, [last.into()]);
            let Some(filled) = db.query_one_raw(portion).await? else {
                break;
            };
            last = filled.try_get_by_index(0)?;
            rows += filled.try_get_by_index::<i64>(1)?;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tracing::info!(event = "migration_goes_on", rows, "filling the table keys");
            }
        }
        let validate = "ALTER TABLE transactions VALIDATE CONSTRAINT transactions_first; \
             ALTER TABLE transactions VALIDATE CONSTRAINT transactions_built_in";
        db.execute_unprepared(validate).await?;
        Ok(())
    }

    /// What the table holds goes with it.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
