//! What certainly is not in the queue gets a table of its own, `retries`, with an index on its time; who is dead is
//! marked in `consumers`; and there are two small tables that processes tell each other things in.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Failures,
}

#[derive(DeriveIden)]
enum Retries {
    Table,
    Id,
    DueAt,
    SetAt,
    Attempts,
    Failures,
    Crashes,
    Waits,
}

#[derive(DeriveIden)]
enum Consumers {
    Table,
    LeaseMs,
    Embedded,
    Dead,
    Ended,
}

#[derive(DeriveIden)]
enum Queues {
    Table,
    Name,
    CreatedAt,
}

#[derive(DeriveIden)]
enum WriteProbe {
    Table,
    Id,
    WrittenAt,
}

/// From now on `attempts` counts the calls whose end is known, and `failures` those of them that moved the transaction
/// along its schedule: so far each did.
const UP: &str = "UPDATE outbox SET failures = attempts WHERE attempts > 0; \
     INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits) \
       SELECT id, due_at, 0, attempts, failures, crashes, waits FROM outbox WHERE waits; \
     DELETE FROM outbox WHERE waits;";

const DOWN: &str = "INSERT INTO outbox (id, due_at, attempts, crashes, waits) \
       SELECT id, due_at, attempts, crashes, waits FROM retries;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Several statements are one change, on SQLite, too.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(retries()).await?;
        let due_at = Index::create()
            .name("retries_due_at")
            .table(Retries::Table)
            .col(Retries::DueAt)
            .to_owned();
        manager.create_index(due_at).await?;
        let failures = count(Outbox::Failures);
        let outbox = Table::alter()
            .table(Outbox::Table)
            .add_column(failures)
            .to_owned();
        manager.alter_table(outbox).await?;
        // SQLite adds one column at a time.
        for column in consumer_columns() {
            let table = Table::alter()
                .table(Consumers::Table)
                .add_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        manager.create_table(queues()).await?;
        manager.create_table(write_probe()).await?;
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        for table in [
            WriteProbe::Table.into_table_ref(),
            Queues::Table.into_table_ref(),
            Retries::Table.into_table_ref(),
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        for column in [
            Consumers::Ended,
            Consumers::Dead,
            Consumers::Embedded,
            Consumers::LeaseMs,
        ] {
            let table = Table::alter()
                .table(Consumers::Table)
                .drop_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        let outbox = Table::alter()
            .table(Outbox::Table)
            .drop_column(Outbox::Failures)
            .to_owned();
        manager.alter_table(outbox).await
    }
}

/// Unfinished transactions that nobody holds and that certainly are not in the queue: they wait for their next attempt,
/// or a dead consumer had them. `due_at` is when the relay should hand the id to the queue, and `set_at` when that was
/// decided: milliseconds since 1970, by the database's clock. A row is here or in `outbox`, never in both.
fn retries() -> TableCreateStatement {
    Table::create()
        .table(Retries::Table)
        .col(ColumnDef::new(Retries::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Retries::DueAt).big_integer().not_null())
        .col(ColumnDef::new(Retries::SetAt).big_integer().not_null())
        .col(count(Retries::Attempts))
        .col(count(Retries::Failures))
        .col(count(Retries::Crashes))
        .col(flag(Retries::Waits))
        .to_owned()
}

/// The length of the lease; whether its process has the queue inside it; whether it is over: another consumer has found it
/// dead, or it has ended the lease itself, which is no death.
fn consumer_columns() -> [ColumnDef; 4] {
    [
        ColumnDef::new(Consumers::LeaseMs)
            .big_integer()
            .not_null()
            .default(15_000)
            .take(),
        flag(Consumers::Embedded),
        flag(Consumers::Dead),
        flag(Consumers::Ended),
    ]
}

/// For each queue on a broker when one of our processes last had to create it: what had been published before is gone.
/// Milliseconds since 1970, by the database's clock.
fn queues() -> TableCreateStatement {
    Table::create()
        .table(Queues::Table)
        .col(
            ColumnDef::new(Queues::Name)
                .string_len(255)
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(Queues::CreatedAt).big_integer().not_null())
        .to_owned()
}

/// One row that readiness writes, to find out whether writes succeed.
fn write_probe() -> TableCreateStatement {
    Table::create()
        .table(WriteProbe::Table)
        .col(
            ColumnDef::new(WriteProbe::Id)
                .integer()
                .not_null()
                .primary_key(),
        )
        .col(
            ColumnDef::new(WriteProbe::WrittenAt)
                .big_integer()
                .not_null(),
        )
        .to_owned()
}

fn count(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().default(0).take()
}

fn flag(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name)
        .boolean()
        .not_null()
        .default(false)
        .take()
}
