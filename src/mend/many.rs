//! All failed transactions that match, retried at a rate.

use anyhow::Context as _;
use api::BulkRetry;
use entity::lifecycle::operate::bulk::{self, Filter};
use sea_orm::DatabaseConnection;
use serde_json::Value;

use super::{by::by, confirm, retries};
use crate::{
    config::BadSetting,
    logging, output,
    table::{self, Output, object},
};

/// What is to be retried, and how.
pub struct Wish {
    pub filter: Filter,
    /// Transactions a second.
    pub rate: u32,
    pub dry_run: bool,
    pub reason: Option<String>,
    /// Nobody need be asked.
    pub is_sure: bool,
    pub watch: bool,
}

const FAILED: &str = "DATABASE_URL: what has failed could not be retried";

pub async fn run(db: &DatabaseConnection, wish: &Wish, output: Output) -> anyhow::Result<()> {
    let matched = bulk::count(db, &wish.filter).await;
    let matched = matched.context("DATABASE_URL: what has failed could not be counted")?;
    if wish.dry_run {
        return output::print(&match output {
            Output::Table => format!("{matched} failed transactions match"),
            Output::Json => table::json(&object([("matched", Value::from(matched))]))?,
        });
    }
    if matched == 0 {
        if output == Output::Json {
            output::print(&table::json(&object([("matched", Value::from(0))]))?)?;
        }
        logging::say("nothing that has failed matches");
        return Ok(());
    }
    if !is_sure(wish, matched)? {
        logging::say("nothing is retried");
        return Ok(());
    }
    let by = by(wish.reason.as_deref())?;
    let begun = bulk::create(db, &wish.filter, wish.rate, &by).await;
    let begun = begun.context(FAILED)?;
    let id = begun.id;
    if wish.watch {
        return retries::watch(db, id, output).await;
    }
    match output {
        Output::Table => output::print(&retries::lines(&[begun]))?,
        Output::Json => output::print(&table::json(&BulkRetry::begun(begun)?)?)?,
    }
    logging::say(&format!(
        "an API carries it out; hookline retries show {id} says how far it is, and with --watch carries it out here, too"
    ));
    Ok(())
}

fn is_sure(wish: &Wish, matched: u64) -> anyhow::Result<bool> {
    if wish.is_sure {
        return Ok(true);
    }
    let question = format!(
        "Retry {matched} failed transactions, {} a second? [y/N] ",
        wish.rate
    );
    let answer = confirm::ask(&question)?.ok_or_else(|| {
        BadSetting(format!(
            "YES must be given: --yes retries the {matched} that match, where nobody can be asked"
        ))
    })?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}
