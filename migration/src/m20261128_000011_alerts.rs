//! What operators were told.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "CREATE TABLE alerts ( \
     kind varchar(40) PRIMARY KEY NOT NULL, told_to bigint NOT NULL, next_at bigint NOT NULL \
   )";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let down = "DROP TABLE alerts";
        manager.get_connection().execute_unprepared(down).await?;
        Ok(())
    }
}
