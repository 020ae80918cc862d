//! `hookline pause` and `resume`.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use api::PauseList;
use clap::Args;
use entity::{
    SourceName,
    lifecycle::operate::pause::{self, ALL},
};
use sea_orm::DatabaseConnection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::by::by;
use crate::{
    config::BadSetting,
    logging,
    look::times,
    output,
    table::{self, Output},
};

const HEADINGS: [&str; 5] = ["PAUSED", "SINCE", "UNTIL", "WHO", "REASON"];

#[derive(Args)]
pub struct Pause {
    #[command(flatten)]
    what: What,
    /// It ends by itself then: a time such as 2024-01-15T10:30:00Z [default: when it is resumed]
    #[arg(long, value_name = "UNTIL", value_parser = at)]
    until: Option<OffsetDateTime>,
    /// It ends by itself after that time, such as 30m
    #[arg(long = "for", value_name = "FOR", value_parser = length, conflicts_with = "until")]
    length: Option<Duration>,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

#[derive(Args)]
pub struct Resume {
    #[command(flatten)]
    what: What,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The source's name; transactions is the built-in one
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

fn at(text: &str) -> Result<OffsetDateTime, &'static str> {
    let at = OffsetDateTime::parse(text, &Rfc3339);
    let at = at.map_err(|_| "must be a time such as 2024-01-15T10:30:00Z")?;
    match at > OffsetDateTime::now_utc() {
        true => Ok(at),
        false => Err("must be in the future"),
    }
}

fn length(text: &str) -> Result<Duration, &'static str> {
    let length = humantime::parse_duration(text).ok();
    length
        .filter(|length| {
            !length.is_zero()
                && OffsetDateTime::now_utc()
                    .checked_add(to_time(*length))
                    .is_some()
        })
        .ok_or("must be a length of time with its unit, such as 30m or 2h")
}

fn to_time(length: Duration) -> time::Duration {
    time::Duration::try_from(length).unwrap_or(time::Duration::MAX)
}

impl What {
    fn source(&self) -> Result<Option<SourceName>, BadSetting> {
        let source = self.source.as_deref().map(str::parse).transpose();
        source.map_err(|error| BadSetting(format!("SOURCE {error}")))
    }
}

pub async fn pause(db: &DatabaseConnection, arguments: &Pause) -> anyhow::Result<()> {
    let source = arguments.what.source()?;
    let by = by(arguments.reason.as_deref())?;
    let after = arguments.length;
    let after = after.map(|length| OffsetDateTime::now_utc() + to_time(length));
    let until = arguments.until.or(after);
    let paused = pause::pause(db, source.as_ref(), until, &by).await;
    paused.context("DATABASE_URL: processing could not be paused")?;
    show(db, arguments.output).await
}

pub async fn resume(db: &DatabaseConnection, arguments: &Resume) -> anyhow::Result<()> {
    let source = arguments.what.source()?;
    let by = by(arguments.reason.as_deref())?;
    let resumed = pause::resume(db, source.as_ref(), &by).await;
    if !resumed.context("DATABASE_URL: processing could not be resumed")? {
        let what = source.map_or_else(|| "everything".to_owned(), String::from);
        return Err(anyhow!("{what} is not paused"));
    }
    show(db, arguments.output).await
}

/// All that is paused now.
async fn show(db: &DatabaseConnection, output: Output) -> anyhow::Result<()> {
    let rows = pause::list(db).await;
    let rows = rows.context("DATABASE_URL: what is paused could not be listed")?;
    match output {
        Output::Table if rows.is_empty() => logging::say("nothing is paused"),
        Output::Table => {
            let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
            output::print(&table::table(&HEADINGS, rows.iter().map(Vec::as_slice)))?;
        }
        Output::Json => {
            let data = rows.into_iter().map(Into::into).collect();
            output::print(&table::json(&PauseList { data })?)?;
        }
    }
    Ok(())
}

fn cells(row: &entity::pause::Model) -> Vec<String> {
    let until = row.until.and_then(|millis| {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
    });
    vec![
        match row.source.as_str() {
            ALL => "everything".to_owned(),
            source => source.to_owned(),
        },
        times::told(row.since),
        until.map_or_else(|| "it is resumed".to_owned(), times::told),
        row.who.clone(),
        row.reason.clone(),
    ]
}
