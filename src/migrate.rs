//! `hookline migrate …`: the schema's commands, for places where there is no cargo.

use clap::Subcommand;
use migration::{Migrator, MigratorTrait};

use crate::{
    claim::{self, Use},
    config::Config,
    database, output,
};

#[derive(Clone, Copy, Subcommand)]
pub enum Command {
    /// Apply pending migrations; safe when several processes do it at once
    Up {
        /// Apply only so many
        #[arg(short, long)]
        num: Option<u32>,
    },
    /// Roll applied migrations back
    Down {
        /// Roll back so many
        #[arg(short, long, default_value_t = 1)]
        num: u32,
    },
    /// List migrations and whether they are applied
    Status,
    /// Drop all tables, then apply all migrations: all data is lost
    Fresh,
    /// Roll all migrations back, then apply them again: all data is lost
    Refresh,
    /// Roll all migrations back: all data is lost
    Reset,
}

pub async fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    database::reach(&config.database_url).await?;
    let _claim = match command {
        // Safe beside a running process.
        Command::Up { .. } | Command::Status => {
            claim::check(&config.database_url).await?;
            None
        }
        _ => claim::take(&config.database_url, Use::Alone).await?,
    };
    let db = database::for_migrations(&config.database_url).await?;
    match command {
        Command::Up { num } => Migrator::up(&db, num).await,
        Command::Down { num } => Migrator::down(&db, Some(num)).await,
        Command::Fresh => Migrator::fresh(&db).await,
        Command::Refresh => Migrator::refresh(&db).await,
        Command::Reset => Migrator::reset(&db).await,
        Command::Status => {
            for migration in Migrator::get_migration_with_status_read_only(&db).await? {
                output::print(&format!("{:<8} {}", migration.status(), migration.name()))?;
            }
            return Ok(());
        }
    }
    .map_err(database::cannot_migrate)
}
