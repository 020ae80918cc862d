//! How the history is changed: as a whole or not at all, by one process at a time, and without anybody waiting for it.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{
        DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend, EntityTrait,
        RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
    },
    seaql_migrations,
};

use crate::History;

/// Names the advisory lock. Any constant will do that nobody else in the database uses.
const LOCK: i64 = 0x686f_6f6b_6c69_6e65; // "hookline"
/// On PostgreSQL whoever comes after a change that waits for a table waits behind it: for so long a webhook can, and is still
/// answered in time.
const LOCK_WITHIN: Duration = Duration::from_millis(300);
/// Each of so many tries waits longer: PostgreSQL ends an autovacuum that is in the way, after a second (deadlock_timeout).
const LONG_TRY_EVERY: u32 = 10;
const LOCK_WITHIN_LONG: Duration = Duration::from_millis(1500);
/// Between tries.
const PAUSE: Duration = Duration::from_secs(2);
/// From the first try to the beginning of the last.
const TRY_FOR: Duration = Duration::from_secs(300);

/// Every migration, in the order of time.
///
/// Each migration is one transaction, so that a death in the middle of it leaves what was there, and what one has locked is free
/// before the next begins; going back is one transaction as a whole. On PostgreSQL several processes may migrate at once:
/// behind an advisory lock one does, and the others find nothing left to do. While others use what it needs, it gives up soon
/// and tries again, for five minutes.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        History::migrations()
    }

    async fn fresh<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        make(Change::Fresh, &db.into_database_executor()).await?;
        Ok(())
    }

    async fn refresh<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        make(Change::Refresh, &db.into_database_executor()).await?;
        Ok(())
    }

    async fn reset<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        make(Change::Reset, &db.into_database_executor()).await?;
        Ok(())
    }

    async fn up<'c, C>(db: C, steps: Option<u32>) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        let db = db.into_database_executor();
        for _ in 0..steps.unwrap_or(u32::MAX) {
            if make(Change::UpOne, &db).await? == Made::Nothing {
                break;
            }
        }
        Ok(())
    }

    async fn down<'c, C>(db: C, steps: Option<u32>) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        make(Change::Down(steps), &db.into_database_executor()).await?;
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Change {
    Fresh,
    Refresh,
    Reset,
    UpOne,
    Down(Option<u32>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Something,
    /// There was nothing to do.
    Nothing,
}

async fn make(change: Change, db: &DatabaseExecutor<'_>) -> Result<Made, DbErr> {
    let began = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let lock_within = match tries % LONG_TRY_EVERY {
            0 => LOCK_WITHIN_LONG,
            _ => LOCK_WITHIN,
        };
        match try_to_make(change, db, lock_within).await {
            Err(error) if is_in_the_way(&error) && began.elapsed() < TRY_FOR => {
                tracing::warn!(event = "migration_waits",
                    %error,
                    "others use what the schema's change needs; trying again in {} s",
                    PAUSE.as_secs()
                );
                tokio::time::sleep(PAUSE).await;
            }
            made => return made,
        }
    }
}

async fn try_to_make(
    change: Change,
    db: &DatabaseExecutor<'_>,
    lock_within: Duration,
) -> Result<Made, DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        })
        .await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        // sea-orm-migration takes no lock of its own. This one belongs to the transaction, so the death of this process
        // releases it.
        let first = format!(
            "SET LOCAL lock_timeout = {}; SELECT pg_advisory_xact_lock({LOCK})",
            lock_within.as_millis()
        );
        transaction.execute_unprepared(&first).await?;
    }
    let made = apply(change, &transaction).await?;
    transaction.commit().await?;
    Ok(made)
}

async fn apply(change: Change, db: &DatabaseTransaction) -> Result<Made, DbErr> {
    match change {
        Change::Fresh => History::fresh(db).await,
        Change::Refresh => History::refresh(db).await,
        Change::Reset => History::reset(db).await,
        Change::UpOne if History::get_pending_migrations(db).await?.is_empty() => {
            return Ok(Made::Nothing);
        }
        Change::UpOne => History::up(db, Some(1)).await,
        Change::Down(steps) => History::down(db, steps).await,
    }?;
    Ok(Made::Something)
}

/// Whether others hold a lock, which passes: lock_not_available and deadlock_detected on PostgreSQL (its appendix A), and
/// SQLITE_BUSY and its kinds.
fn is_in_the_way(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(
        code.as_deref(),
        Some("55P03" | "40P01" | "5" | "261" | "517")
    )
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
