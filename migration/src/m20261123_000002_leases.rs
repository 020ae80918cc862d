//! Who works on what: `outbox.holder`, and the leases in `consumers`.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Holder,
    Crashes,
}

#[derive(DeriveIden)]
enum Consumers {
    Table,
    Id,
    AliveUntil,
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
        manager.create_table(consumers()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Consumers::Table).to_owned())
            .await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            manager
                .get_connection()
                .execute_unprepared("ALTER TABLE outbox SET (fillfactor = 70)")
                .await?;
        }
        for column in [Outbox::Crashes, Outbox::Holder] {
            let table = Table::alter()
                .table(Outbox::Table)
                .drop_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

/// The consumer that has the id in hand, if any; how many consumers have died with it in hand.
fn outbox_columns() -> [ColumnDef; 2] {
    [
        ColumnDef::new(Outbox::Holder).uuid().take(),
        ColumnDef::new(Outbox::Crashes)
            .integer()
            .not_null()
            .default(0)
            .take(),
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
