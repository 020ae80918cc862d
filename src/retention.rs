//! `hookline retention`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use api::retention::{As, Step, Stopped, round};
use clap::Args;
use entity::lifecycle::retention::{
    self, Before, Limits, Table,
    months::{Month, months},
    rows,
};
use sea_orm::DatabaseConnection;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    claim,
    config::Config,
    database, logging,
    look::{opened, times},
    mend::by::by,
    output,
    progress::Progress,
    table::{self, Output},
};

const HEADINGS: [&str; 5] = ["WHAT", "OLDER THAN", "ROWS", "SIZE", ""];

#[derive(Args)]
pub struct Arguments {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

const NOT_READ: &str = "DATABASE_URL: what would be deleted could not be read";
const WOULD_GO: &str = "would go";

/// What would go, or has gone.
#[derive(Serialize)]
struct Line {
    what: String,
    #[serde(with = "time::serde::rfc3339::option")]
    older_than: Option<OffsetDateTime>,
    rows: u64,
    /// Whether there are more, or it is an estimate.
    about: bool,
    bytes: Option<u64>,
    /// `gone`, `would go`, or why it stays.
    outcome: &'static str,
}

pub async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    let limits = config.retention.limits();
    let lines = match arguments.dry_run {
        true => {
            let db = opened::open(&config.database_url).await?;
            let planned = plan(&db, &limits).await;
            planned.context(NOT_READ)?
        }
        false => make(&limits, config, arguments.reason.as_deref()).await?,
    };
    match arguments.output {
        Output::Json => output::print(&table::json(&lines)?),
        Output::Table if lines.is_empty() => {
            logging::say("nothing is as old as RETENTION_… say");
            Ok(())
        }
        Output::Table => {
            let rows: Vec<Vec<String>> = lines.iter().map(cells).collect();
            let rows = rows.iter().map(Vec::as_slice);
            output::print(&table::table(&HEADINGS, rows))
        }
    }
}

/// What a round would delete now.
async fn plan(db: &DatabaseConnection, limits: &Limits) -> Result<Vec<Line>, sea_orm::DbErr> {
    let now = retention::now(db).await?;
    let before = |limit: Duration| {
        let limit = time::Duration::try_from(limit).ok()?;
        now.checked_sub(limit).map(Before::new)
    };
    let mut lines = Vec::new();
    for table in Table::ALL {
        let Some(before) = table.limit(limits).and_then(before) else {
            continue;
        };
        if table.has_months(db) {
            let months = months(db, table, before).await?;
            lines.extend(months.iter().map(|month| Line {
                older_than: Some(before.time),
                ..of_month(month, WOULD_GO)
            }));
            continue;
        }
        let rows = rows::count(db, table, before).await?;
        lines.extend(would_go(table.name(), before, rows));
    }
    if let Some(before) = limits.refusals.and_then(before) {
        let rows = rows::count_refusals(db, before).await?;
        lines.extend(would_go("refusals", before, rows));
    }
    Ok(lines)
}

fn would_go(what: &str, before: Before, rows: u64) -> Option<Line> {
    (rows > 0).then(|| Line {
        what: what.to_owned(),
        older_than: Some(before.time),
        rows: rows.min(rows::COUNTED_MAX),
        about: rows > rows::COUNTED_MAX,
        bytes: None,
        outcome: WOULD_GO,
    })
}

fn of_month(month: &Month, outcome: &'static str) -> Line {
    Line {
        what: month.name.clone(),
        older_than: None,
        rows: month.rows.unsigned_abs(),
        about: true,
        bytes: Some(month.bytes.unsigned_abs()),
        outcome: match month.unfinished {
            true => "stays: work in it is unfinished",
            false => outcome,
        },
    }
}

/// Makes a round, and tells on standard error how far it is. Where something goes the audit says who has had it deleted.
async fn make(limits: &Limits, config: &Config, reason: Option<&str>) -> anyhow::Result<Vec<Line>> {
    let address = &config.database_url;
    database::reach(address).await?;
    claim::check(address).await?;
    let db = database::connect(address, "command", 1).await?;
    database::check_schema(&db).await?;
    let planned = plan(&db, limits).await.context(NOT_READ)?;
    let going = planned.iter().filter(|line| line.outcome == WOULD_GO);
    let rows: u64 = going.map(|line| line.rows).sum();
    if rows > 0 {
        let by = by(reason)?;
        let noted = retention::ordered(&db, rows, &by).await;
        noted.context("DATABASE_URL: the audit could not be written")?;
    }
    let mut lines = Vec::new();
    let mut progress = Progress::new();
    let tell = |step: &Step| match step {
        Step::Detached(month) => lines.push(of_month(month, "gone")),
        Step::Unfinished(month) => lines.push(of_month(month, "stays: work in it is unfinished")),
        Step::Busy(month) => lines.push(of_month(month, "stays for now: others use its table")),
        Step::Dropped(name) => logging::say(&format!("{name} is dropped")),
        Step::Deleted { of, rows } => {
            progress.tell(|| format!("{rows} rows of {of} are deleted so far"));
        }
        Step::Done { of, rows } => lines.push(Line {
            what: (*of).to_owned(),
            older_than: None,
            rows: *rows,
            about: false,
            bytes: None,
            outcome: "gone",
        }),
    };
    match round(&db, limits, As::Anybody, tell).await {
        Ok(()) | Err(Stopped::Told) => Ok(lines),
        Err(Stopped::Failed(error)) => {
            Err(error).context("DATABASE_URL: what is old could not be deleted")
        }
        Err(Stopped::ClocksDiffer { by }) => bail!(
            "DATABASE_URL: nothing is deleted while the database's clock and this machine's differ by {} s",
            by.whole_seconds()
        ),
    }
}

fn cells(line: &Line) -> Vec<String> {
    let about = match line.about {
        true if line.bytes.is_some() => format!("about {}", line.rows),
        true => format!("{}+", line.rows),
        false => line.rows.to_string(),
    };
    vec![
        line.what.clone(),
        line.older_than.map(times::told).unwrap_or_default(),
        about,
        line.bytes.map(size).unwrap_or_default(),
        line.outcome.to_owned(),
    ]
}

/// A size in the unit that people read best.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        unit => format!("{size:.1} {}", UNITS[unit]),
    }
}
