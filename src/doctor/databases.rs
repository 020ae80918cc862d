//! The database: whether it can be reached, has the schema and the rights, keeps what it has committed, and shows the same time.

use entity::lifecycle::retention;
use sea_orm::DatabaseConnection;
use time::OffsetDateTime;

use super::finding::Findings;
use crate::{
    claim,
    config::Config,
    database::{self, Parts},
};

/// By how much clocks may differ before it is worth a word.
const CLOCKS_DIFFER_MAX: time::Duration = time::Duration::seconds(5);

pub(super) async fn look(findings: &mut Findings, config: &Config) {
    match open(config).await {
        Ok(Some(db)) => {
            findings.good("database", &config.database_url);
            schema(findings, &db).await;
            rights(findings, &db, config).await;
            durability(findings, &db).await;
            clocks(findings, &db).await;
        }
        Ok(None) => {
            let file = "the file is not there; the first start makes it";
            findings.good("database", format!("{}: {file}", config.database_url));
        }
        Err(error) => findings.bad("database", format!("{error:#}")),
    }
}

/// `None` where there is no file yet, and a start would make one.
async fn open(config: &Config) -> anyhow::Result<Option<DatabaseConnection>> {
    let address = &config.database_url;
    database::reach(address).await?;
    claim::check(address).await?;
    match address.file() {
        Some(file) if !file.exists() => Ok(None),
        _ => database::connect_readers(address, "doctor", 1)
            .await
            .map(Some),
    }
}

async fn schema(findings: &mut Findings, db: &DatabaseConnection) {
    match database::check_schema(db).await {
        Ok(()) => findings.good("schema", "up to date"),
        Err(error) => findings.bad("schema", format!("{error:#}")),
    }
}

async fn rights(findings: &mut Findings, db: &DatabaseConnection, config: &Config) {
    let parts = Parts {
        api: true,
        consumer: true,
    };
    match database::missing_rights(db, parts, &config.retention.limits()).await {
        Ok(missing) if missing.is_empty() => findings.good("rights", "enough for every role"),
        Ok(missing) => findings.doubtful("rights", missing.join("; ")),
        Err(error) => findings.bad("rights", format!("{error:#}")),
    }
}

/// Settings of the server with which a crash of it loses what was answered with 202.
async fn durability(findings: &mut Findings, db: &DatabaseConnection) {
    match database::unsafe_settings(db).await {
        Ok(found) if found.is_empty() => {
            findings.good(
                "commits",
                "what is committed survives a crash of the database",
            );
        }
        Ok(found) => {
            let found = found
                .iter()
                .map(|(name, value)| format!("{name} = {value}"));
            let found = found.collect::<Vec<_>>().join(", ");
            let sentence = format!(
                "{found}: a crash of the database can lose webhooks that were answered with 202"
            );
            findings.bad("commits", sentence);
        }
        Err(error) => findings.bad("commits", format!("{error:#}")),
    }
}

async fn clocks(findings: &mut Findings, db: &DatabaseConnection) {
    let asked = OffsetDateTime::now_utc();
    let shown = match retention::now(db).await {
        Ok(shown) => shown,
        Err(error) => return findings.bad("clocks", error),
    };
    let answered = OffsetDateTime::now_utc();
    // It was read at some time between question and answer.
    let by =
        (shown - answered).max(time::Duration::ZERO) - (asked - shown).max(time::Duration::ZERO);
    match by.abs() > CLOCKS_DIFFER_MAX {
        false => findings.good("clocks", "the database's and this machine's agree"),
        true => {
            let sentence = format!(
                "the database's is {} s {} this machine's: set them by NTP",
                by.whole_seconds().abs(),
                if by.is_negative() {
                    "behind"
                } else {
                    "ahead of"
                }
            );
            findings.bad("clocks", sentence);
        }
    }
}
