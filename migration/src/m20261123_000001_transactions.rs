//! The tables of the first release: `transactions`, `outbox` and `conflicts`.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Transactions {
    Table,
    Id,
    TransactionId,
    SourceAccount,
    DestinationAccount,
    Amount,
    Currency,
    Status,
    CreatedAt,
    ProcessedAt,
}

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Id,
    DueAt,
}

#[derive(DeriveIden)]
enum Conflicts {
    Table,
    Id,
    TransactionId,
    SourceAccount,
    DestinationAccount,
    Amount,
    Currency,
    ReceivedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager.create_table(transactions(backend)).await?;
        manager.create_table(outbox(backend)).await?;
        manager.create_table(conflicts(backend)).await?;
        manager
            .create_index(
                Index::create()
                    .name("conflicts_transaction_id")
                    .table(Conflicts::Table)
                    .col(Conflicts::TransactionId)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            Conflicts::Table.into_table_ref(),
            Outbox::Table.into_table_ref(),
            Transactions::Table.into_table_ref(),
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// One row per transaction: the truth. No index holds `status` or `processed_at`, and half of each page
/// stays free, so that PostgreSQL makes the final update of all its rows in place (heap-only tuples):
/// they are finished in batches, and a page with less room ran out in the middle of one.
fn transactions(backend: DbBackend) -> TableCreateStatement {
    let mut table = Table::create()
        .table(Transactions::Table)
        .col(
            ColumnDef::new(Transactions::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(text_255(Transactions::TransactionId).unique_key())
        .col(text_255(Transactions::SourceAccount))
        .col(text_255(Transactions::DestinationAccount))
        .col(amount(backend, Transactions::Amount))
        .col(
            ColumnDef::new(Transactions::Currency)
                .string_len(3)
                .not_null(),
        )
        .col(
            ColumnDef::new(Transactions::Status)
                .string_len(10)
                .not_null()
                .default("PROCESSING"),
        )
        .col(now(backend, Transactions::CreatedAt))
        .col(ColumnDef::new(Transactions::ProcessedAt).timestamp_with_time_zone())
        .check(Expr::col(Transactions::Status).is_in(["PROCESSING", "PROCESSED", "FAILED"]))
        .check(
            Expr::col(Transactions::Status)
                .eq("PROCESSED")
                .eq(Expr::col(Transactions::ProcessedAt).is_not_null()),
        )
        .to_owned();
    if backend == DbBackend::Postgres {
        table.extra("WITH (fillfactor = 50)");
    }
    table
}

/// The ids of unfinished transactions, each with the time (milliseconds since 1970, by the
/// database's clock) at which the relay should next hand it to the queue.
///
/// No foreign key: the two rows are written by one statement and the check would cost a row lock
/// per webhook. No index on `due_at`: the table is small and its rows short-lived, and without one
/// moving the time forward touches no index.
fn outbox(backend: DbBackend) -> TableCreateStatement {
    let mut table = Table::create()
        .table(Outbox::Table)
        .col(ColumnDef::new(Outbox::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Outbox::DueAt).big_integer().not_null())
        .to_owned();
    if backend == DbBackend::Postgres {
        // Every row dies young, so the dead ones are cleared by count and not by proportion.
        table.extra(
            "WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, \
             autovacuum_vacuum_threshold = 50000)",
        );
    }
    table
}

/// What came under a known `transaction_id` with other content, once per different content.
fn conflicts(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table(Conflicts::Table)
        .col(
            ColumnDef::new(Conflicts::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(text_255(Conflicts::TransactionId))
        .col(text_255(Conflicts::SourceAccount))
        .col(text_255(Conflicts::DestinationAccount))
        .col(amount(backend, Conflicts::Amount))
        .col(ColumnDef::new(Conflicts::Currency).string_len(3).not_null())
        .col(now(backend, Conflicts::ReceivedAt))
        .to_owned()
}

fn text_255(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).string_len(255).not_null().take()
}

/// Exact on both: `numeric(19,4)` on PostgreSQL; text on SQLite, whose numbers are binary floating
/// point beyond 64 bits.
fn amount(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::Postgres => column.decimal_len(19, 4),
        _ => column.text(),
    };
    column.not_null().take()
}

/// A time that the database sets when the row is written. RFC 3339 in UTC on SQLite, which has no
/// type for times.
fn now(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let now = match backend {
        DbBackend::Postgres => "now()",
        _ => "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
    };
    ColumnDef::new(name)
        .timestamp_with_time_zone()
        .not_null()
        .default(Expr::cust(now))
        .take()
}
