//! Work that can fail: `attempts`, what becomes of those that fail in `outbox`, and `failures`.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Attempts,
    Waits,
}

#[derive(DeriveIden)]
enum Attempts {
    Table,
    Id,
    Number,
    StartedAt,
    TookMs,
    Outcome,
    Status,
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
        manager.create_table(attempts()).await?;
        let backend = manager.get_database_backend();
        manager.create_table(failures(backend)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            Failures::Table.into_table_ref(),
            Attempts::Table.into_table_ref(),
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        for column in [Outbox::Waits, Outbox::Attempts] {
            let table = Table::alter()
                .table(Outbox::Table)
                .drop_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

/// How many attempts have failed; whether the id waits for the next one, whose time is `due_at`, and
/// nobody may begin on it before.
fn outbox_columns() -> [ColumnDef; 2] {
    [
        ColumnDef::new(Outbox::Attempts)
            .integer()
            .not_null()
            .default(0)
            .take(),
        ColumnDef::new(Outbox::Waits)
            .boolean()
            .not_null()
            .default(false)
            .take(),
    ]
}

/// One row per attempt at a transaction whose outcome is known. The key is the transaction's row id
/// and the attempt's number.
fn attempts() -> TableCreateStatement {
    Table::create()
        .table(Attempts::Table)
        .col(ColumnDef::new(Attempts::Id).uuid().not_null())
        .col(ColumnDef::new(Attempts::Number).integer().not_null())
        .col(
            ColumnDef::new(Attempts::StartedAt)
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(ColumnDef::new(Attempts::TookMs).big_integer().not_null())
        .col(ColumnDef::new(Attempts::Outcome).string_len(10).not_null())
        .col(ColumnDef::new(Attempts::Status).integer())
        .col(ColumnDef::new(Attempts::Error).text())
        .primary_key(Index::create().col(Attempts::Id).col(Attempts::Number))
        .check(Expr::col(Attempts::Outcome).is_in(["SUCCEEDED", "REFUSED", "FAILED", "PANICKED"]))
        .to_owned()
}

/// Why a transaction is `FAILED`: one row for each that is.
fn failures(backend: DbBackend) -> TableCreateStatement {
    let now = match backend {
        DbBackend::Postgres => "now()",
        _ => "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
    };
    Table::create()
        .table(Failures::Table)
        .col(ColumnDef::new(Failures::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Failures::Verdict).string_len(10).not_null())
        .col(ColumnDef::new(Failures::Reason).text().not_null())
        .col(
            ColumnDef::new(Failures::FailedAt)
                .timestamp_with_time_zone()
                .not_null()
                .default(Expr::cust(now)),
        )
        .check(Expr::col(Failures::Verdict).is_in(["PERMANENT", "EXHAUSTED", "POISON"]))
        .to_owned()
}
