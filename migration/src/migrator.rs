//! How the history is applied: by one process at a time.

use std::collections::HashSet;

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DatabaseConnection, DbBackend, EntityTrait, TransactionTrait},
    seaql_migrations,
};

use crate::History;

/// Every migration, in the order of time.
///
/// [`up`](MigratorTrait::up) may be called by several processes at once: on PostgreSQL all of it
/// happens in one transaction behind an advisory lock, so one process migrates and the others find
/// nothing left to do.
pub struct Migrator;

/// Names the advisory lock. Any constant will do that nobody else in the database uses.
const LOCK: i64 = 0x686f_6f6b_6c69_6e65; // "hookline"

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        History::migrations()
    }

    async fn up<'c, C>(db: C, steps: Option<u32>) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        let db = db.into_database_executor();
        if db.get_database_backend() != DbBackend::Postgres {
            return History::up(db, steps).await;
        }
        // sea-orm-migration takes no lock of its own. This one belongs to the transaction, so the
        // death of this process releases it.
        let transaction = db.begin().await?;
        transaction
            .execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})"))
            .await?;
        History::up(&transaction, steps).await?;
        transaction.commit().await
    }
}

/// The names of the migrations that this version needs, in the order of time.
pub fn needed() -> Vec<String> {
    let needed = Migrator::migrations();
    needed.iter().map(|one| one.name().to_owned()).collect()
}

/// The names of the migrations that this version needs and the database lacks. Changes nothing, and
/// does not mind migrations of a newer version.
pub async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let table = Migrator::migration_table_name().to_string();
    let mut applied = HashSet::new();
    if SchemaManager::new(db).has_table(table).await? {
        let rows = seaql_migrations::Entity::find().all(db).await?;
        applied.extend(rows.into_iter().map(|row| row.version));
    }
    let needed = needed().into_iter();
    Ok(needed.filter(|name| !applied.contains(name)).collect())
}
