//! Webhooks of any source: `keys` alone knows whose an id is, `transactions` is found by its row's id and partitioned by it, and
//! `payloads` and `refusals` are there.
//!
//! The version before cannot write any more: it answers 503 until the new one takes its place, and says that it is not
//! ready, as `write_probe` has another name.

mod postgres;
mod sqlite;

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Several statements are one change, on SQLite, too.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => postgres::up(manager.get_connection()).await,
            _ => sqlite::up(manager.get_connection()).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        let others = "SELECT count(*) FROM keys WHERE source <> 'transactions'";
        let others = db
            .query_one_raw(Statement::from_string(backend, others))
            .await?;
        let others: i64 = match others {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        if others > 0 {
            return Err(DbErr::Custom(format!(
                "{others} transactions are of other sources than the built-in one, and the schema before has no place for \
                 them: copy what you need and delete them (from keys, transactions and payloads) before going back"
            )));
        }
        match backend {
            DbBackend::Postgres => postgres::down(db).await,
            _ => sqlite::down(db).await,
        }
    }
}
