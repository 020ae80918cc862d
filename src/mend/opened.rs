//! The database, opened to be changed by an operator.

use anyhow::ensure;
use sea_orm::DatabaseConnection;

use crate::{
    claim,
    database::{self, Address},
};

/// Opens the database as it is: nothing is made or migrated.
///
/// A SQLite file may have a process that works in it. The claim of such a process keeps away others that would work in the
/// file, too; what is done here is short transactions, which SQLite's own locks keep apart from that process's, as they do
/// those of a migration.
pub async fn open(address: &Address) -> anyhow::Result<DatabaseConnection> {
    if let Some(file) = address.file() {
        let is_there = file.exists();
        ensure!(is_there, "DATABASE_URL: {} is not there", file.display());
    }
    database::reach(address).await?;
    claim::check(address).await?;
    let db = database::connect(address, "command", 1).await?;
    database::check_schema(&db).await?;
    Ok(db)
}
