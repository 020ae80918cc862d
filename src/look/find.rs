//! Which transaction is meant.

use anyhow::Context as _;
use entity::{
    SourceName, TransactionId,
    lifecycle::{self, Known, overview::sources},
};
use sea_orm::DatabaseConnection;

use super::NotFound;
use crate::{config::BadSetting, table::printable};

const FAILED: &str = "DATABASE_URL: the transaction could not be looked up";

/// What has this id, whether its row is kept or not: of this source, or of the one that has it.
pub async fn find(
    db: &DatabaseConnection,
    source: Option<SourceName>,
    id: &TransactionId,
) -> anyhow::Result<Known> {
    let among = match source {
        Some(source) => vec![source],
        None => {
            let seen = sources(db).await.context(FAILED)?;
            seen.into_iter().map(|seen| seen.source).collect()
        }
    };
    let mut found = Vec::new();
    for source in &among {
        found.extend(lifecycle::known(db, source, id).await.context(FAILED)?);
    }
    match (found.pop(), found.as_slice()) {
        (Some(known), []) => Ok(known),
        (Some(last), others) => {
            let sources = others.iter().chain([&last]);
            let sources: Vec<&str> = sources.map(|known| known.source.as_ref()).collect();
            let sentence = format!(
                "SOURCE must be given, because several have this id: {}",
                sources.join(", ")
            );
            Err(BadSetting(sentence).into())
        }
        (None, _) => {
            let sentence = format!("no transaction {} is there", printable(id.as_ref()));
            Err(NotFound(sentence).into())
        }
    }
}
