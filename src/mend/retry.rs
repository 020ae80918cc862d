//! `hookline retry`: by ids, or all that match.

use api::mend::{Act, RATE, Written, filter, rate};
use clap::Args;
use sea_orm::DatabaseConnection;

use super::{
    by::by,
    many::{self, Wish},
    one::{self, Ids},
};
use crate::{config::BadSetting, look::times, table::Output};

#[derive(Args)]
pub struct Arguments {
    /// The senders' ids of the transactions
    #[arg(value_name = "ID", conflicts_with_all = ["verdict", "error", "from", "to", "all", "dry_run", "rate", "watch"])]
    ids: Vec<String>,
    /// The source's name
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// PERMANENT, EXHAUSTED, POISON or GIVEN_UP
    #[arg(long, value_name = "VERDICT")]
    verdict: Option<String>,
    /// The error, or a part of it; as hookline failures shows it, with N for each number, too
    #[arg(long, value_name = "ERROR")]
    error: Option<String>,
    /// Received then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "FROM", value_parser = at)]
    from: Option<String>,
    /// Received before that
    #[arg(long, value_name = "TO", value_parser = at)]
    to: Option<String>,
    /// Everything that has failed
    #[arg(long, conflicts_with_all = ["source", "verdict", "error", "from", "to"])]
    all: bool,
    /// Say how many match, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How many a second [default: 50]
    #[arg(long, value_name = "RATE")]
    rate: Option<u64>,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Do not ask whether to retry so many
    #[arg(long)]
    yes: bool,
    /// Stay, carry it out, and say how far it is
    #[arg(long)]
    watch: bool,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

fn at(text: &str) -> Result<String, &'static str> {
    times::ago_or_at(text).map(times::rfc3339)
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let output = arguments.output;
    if !arguments.ids.is_empty() {
        let ids = Ids::read(&arguments.ids, arguments.source.as_deref())?;
        let by = by(arguments.reason.as_deref())?;
        return one::each(db, Act::Retry, &ids, &by, output).await;
    }
    many::run(db, &arguments.wish()?, output).await
}

impl Arguments {
    /// Nobody means everything without saying so.
    fn wish(&self) -> Result<Wish, BadSetting> {
        let written = Written {
            status: None,
            source: self.source.clone(),
            verdict: self.verdict.as_deref().map(str::to_ascii_uppercase),
            error: self.error.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
        };
        let says_nothing = [
            &written.source,
            &written.verdict,
            &written.error,
            &written.from,
            &written.to,
        ];
        if says_nothing.iter().all(|text| text.is_none()) && !self.all {
            let sentence = "ID must be given, or which are meant: --source, --verdict, --error, --from and --to, or --all";
            return Err(BadSetting(sentence.into()));
        }
        let filter = filter(written).map_err(|errors| {
            let errors = errors.iter();
            let errors = errors.map(|error| format!("--{} {}", error.field, error.reason));
            BadSetting(errors.collect::<Vec<_>>().join("; "))
        })?;
        let rate = rate(self.rate.unwrap_or(RATE.into()));
        Ok(Wish {
            filter,
            rate: rate.map_err(|why| BadSetting(format!("RATE {why}")))?,
            dry_run: self.dry_run,
            reason: self.reason.clone(),
            is_sure: self.yes,
            watch: self.watch,
        })
    }
}
