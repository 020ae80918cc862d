//! What operators were told.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "CREATE TABLE alerts ( \
     kind varchar(40) BYTES PRIMARY KEY NOT NULL, told_to bigint NOT NULL, next_at bigint NOT NULL \
   )";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytes = match manager.get_database_backend() {
            DbBackend::Postgres => " COLLATE \"C\"",
            _ => "",
        };
        let up = UP.replace(" BYTES", bytes);
        manager.get_connection().execute_unprepared(&up).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let down = "DROP TABLE alerts";
        manager.get_connection().execute_unprepared(down).await?;
        Ok(())
    }
}
