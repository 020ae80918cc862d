//! The schema's history. Owns every change ever made to the tables, in order, for PostgreSQL and
//! SQLite alike; depends on no other crate of the workspace, so that a migration never changes its
//! meaning because an entity did.
//!
//! A migration that has landed is frozen: a later change is a new file.

use sea_orm_migration::sea_orm::TransactionTrait;

pub use sea_orm_migration::prelude::*;

mod m20261123_000001_transactions;

/// Every migration, in the order of time.
///
/// [`up`](MigratorTrait::up) may be called by several processes at once: on PostgreSQL all of it
/// happens in one transaction behind an advisory lock, so one process migrates and the others find
/// nothing left to do.
pub struct Migrator;

/// The migrations themselves, run by `Migrator` once it holds the lock.
struct History;

/// Names the advisory lock. Any constant will do that nobody else in the database uses.
const LOCK: i64 = 0x686f_6f6b_6c69_6e65; // "hookline"

#[async_trait::async_trait]
impl MigratorTrait for History {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261123_000001_transactions::Migration)]
    }
}

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
        if db.get_database_backend() != sea_orm::DbBackend::Postgres {
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
