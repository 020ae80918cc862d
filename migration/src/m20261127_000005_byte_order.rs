//! On PostgreSQL the keys that are texts are ordered by their bytes. By any other collation an index is wrong as soon as the
//! collation's rules change under it, with an upgrade of ICU or the C library: what is known is not found and taken as new.
//! SQLite orders by bytes anyway.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Tables and their keys.
const KEYS: [(&str, &str); 3] = [
    ("transactions", "transaction_id"),
    ("conflicts", "transaction_id"),
    ("queues", "name"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        collate(manager, "C").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        collate(manager, "default").await
    }
}

/// Makes the indexes anew and leaves the tables as they are.
async fn collate(manager: &SchemaManager<'_>, collation: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, key) in KEYS {
        let alter = format!(
            r#"ALTER TABLE {table} ALTER COLUMN {key} TYPE varchar(255) COLLATE "{collation}""#
        );
        manager.get_connection().execute_unprepared(&alter).await?;
    }
    Ok(())
}
