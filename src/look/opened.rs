//! The database, opened to be looked at.

use anyhow::ensure;
use sea_orm::DatabaseConnection;

use crate::{
    claim,
    database::{self, Address},
};

/// Opens the database as it is: nothing is made or migrated. A SQLite file may have a process that works in it.
pub async fn open(address: &Address) -> anyhow::Result<DatabaseConnection> {
    if let Some(file) = address.file() {
        let is_there = file.exists();
        ensure!(is_there, "DATABASE_URL: {} is not there", file.display());
    }
    database::reach(address).await?;
    claim::check(address).await?;
    let db = database::connect_readers(address, "command", 1).await?;
    database::check_schema(&db).await?;
    Ok(db)
}
