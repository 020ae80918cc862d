//! Who works on what (`outbox.holder`, `consumers`), and how work that can fail went (`attempts`,
//! `failures`).

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Holder,
    Attempt,
    Crashes,
}

#[derive(DeriveIden)]
enum Consumers {
    Table,
    Id,
    AliveUntil,
}

#[derive(DeriveIden)]
enum Attempts {
    Table,
    Id,
    Attempt,
    StartedAt,
    TookMs,
    Outcome,
    HttpStatus,
    Error,
}

#[derive(DeriveIden)]
enum Failures {
    Table,
    Id,
    Verdict,
    Reason,
    FailedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in outbox_columns() {
            let table = Table::alter()
                .table(Outbox::Table)
                .add_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            // Room for every entry of a page to be taken in place.
            manager
                .get_connection()
                .execute_unprepared("ALTER TABLE outbox SET (fillfactor = 45)")
                .await?;
        }
        manager.create_table(consumers()).await?;
        manager.create_table(attempts()).await?;
        manager
            .create_table(failures(manager.get_database_backend()))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            Failures::Table.into_table_ref(),
            Attempts::Table.into_table_ref(),
            Consumers::Table.into_table_ref(),
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            manager
                .get_connection()
                .execute_unprepared("ALTER TABLE outbox SET (fillfactor = 70)")
                .await?;
        }
        for column in [Outbox::Crashes, Outbox::Attempt, Outbox::Holder] {
            let table = Table::alter()
                .table(Outbox::Table)
                .drop_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

/// The consumer that has the id in hand, if any; how many attempts at its work have failed; how many
/// consumers have died with it in hand.
fn outbox_columns() -> [ColumnDef; 3] {
    let count = |name| ColumnDef::new(name).integer().not_null().default(0).take();
    [
        ColumnDef::new(Outbox::Holder).uuid().take(),
        count(Outbox::Attempt),
        count(Outbox::Crashes),
    ]
}

/// Each living consumer with the time (milliseconds since 1970, by the database's clock) at which the
/// others may think it dead, unless it has renewed its lease by then.
fn consumers() -> TableCreateStatement {
    Table::create()
        .table(Consumers::Table)
        .col(
            ColumnDef::new(Consumers::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(
            ColumnDef::new(Consumers::AliveUntil)
                .big_integer()
                .not_null(),
        )
        .to_owned()
}

/// Every attempt at work that can fail: when, how long, and how it went.
fn attempts() -> TableCreateStatement {
    Table::create()
        .table(Attempts::Table)
        .col(ColumnDef::new(Attempts::Id).uuid().not_null())
        .col(ColumnDef::new(Attempts::Attempt).integer().not_null())
        .col(
            ColumnDef::new(Attempts::StartedAt)
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(ColumnDef::new(Attempts::TookMs).big_integer().not_null())
        .col(ColumnDef::new(Attempts::Outcome).string_len(10).not_null())
        .col(ColumnDef::new(Attempts::HttpStatus).integer())
        .col(ColumnDef::new(Attempts::Error).string_len(1000))
        .primary_key(Index::create().col(Attempts::Id).col(Attempts::Attempt))
        .check(Expr::col(Attempts::Outcome).is_in(["DONE", "RETRY", "PERMANENT"]))
        .to_owned()
}

/// Why a transaction is `FAILED`.
fn failures(backend: DbBackend) -> TableCreateStatement {
    let now = match backend {
        DbBackend::Postgres => "now()",
        _ => "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
    };
    Table::create()
        .table(Failures::Table)
        .col(ColumnDef::new(Failures::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Failures::Verdict).string_len(10).not_null())
        .col(ColumnDef::new(Failures::Reason).string_len(1000).not_null())
        .col(
            ColumnDef::new(Failures::FailedAt)
                .timestamp_with_time_zone()
                .not_null()
                .default(Expr::cust(now)),
        )
        .check(Expr::col(Failures::Verdict).is_in(["PERMANENT", "EXHAUSTED", "POISON"]))
        .to_owned()
}
