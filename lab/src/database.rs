//! A database of a run's own, as the service finds it.

use std::path::Path;

use anyhow::Result;
use testbed::folder::Folder;

use crate::hookline::Hookline;

/// Leaves a new database on PostgreSQL with no more partitions than those of now: its first holds all the past.
pub(crate) const WITHOUT_PAST: &str = "DO $$ DECLARE first regclass; BEGIN \
     FOR first IN SELECT inhrelid::regclass FROM pg_inherits \
       WHERE inhparent IN ('transactions'::regclass, 'payloads'::regclass) LOOP \
       EXECUTE 'DROP TABLE ' || first; END LOOP; \
     PERFORM hookline_make_partitions(now()), hookline_make_partitions(now() + interval '31 days'); END $$";

/// The URL of a new SQLite file, and the folder that it is in.
pub(crate) fn sqlite() -> Result<(Folder, String)> {
    let folder = Folder::new("hookline-sqlite-")?;
    let file = folder.path().join("hookline.db");
    let url = format!("sqlite:{}", file.display());
    Ok((folder, url))
}

/// Migrates the database by so many processes at once, each of which must succeed.
pub(crate) async fn migrate(binary: &Path, database_url: &str, migrators: u32) -> Result<()> {
    let variables = [("DATABASE_URL", database_url.to_owned())];
    let mut racing = Vec::new();
    for _ in 0..migrators {
        racing.push(Hookline::start(binary, "migrate up", &variables)?);
    }
    for migrator in racing {
        migrator.finish().await?;
    }
    Ok(())
}
