//! The database, opened by a command.

use anyhow::ensure;
use sea_orm::DatabaseConnection;

use crate::{
    claim,
    database::{self, Address},
};

/// The name of a command's connections.
const NAME: &str = "command";

/// Opens the database as it is, to be looked at: nothing is made or migrated. A SQLite file may have a process that works in
/// it.
pub async fn open(address: &Address) -> anyhow::Result<DatabaseConnection> {
    is_there(address).await?;
    let db = database::connect_readers(address, NAME, 1).await?;
    database::check_schema(&db).await?;
    Ok(db)
}

/// The same, to be changed by an operator.
///
/// The claim of a process that works in a SQLite file keeps away others that would work in the file, too; what is done here is
/// short transactions, which SQLite's own locks keep apart from that process's, as they do those of a migration.
pub async fn open_to_change(address: &Address) -> anyhow::Result<DatabaseConnection> {
    is_there(address).await?;
    let db = database::connect(address, NAME, 1).await?;
    database::check_schema(&db).await?;
    Ok(db)
}

async fn is_there(address: &Address) -> anyhow::Result<()> {
    if let Some(file) = address.file() {
        let is_there = file.exists();
        ensure!(is_there, "DATABASE_URL: {} is not there", file.display());
    }
    database::reach(address).await?;
    claim::check(address).await
}
