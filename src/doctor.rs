//! `hookline doctor`: whether this process would find all that it needs, one line each. Changes nothing.

mod broker;
mod databases;
mod finding;

use anyhow::bail;
use clap::Args;

use self::finding::{Finding, Findings};
use crate::{
    alerts::Post,
    config::Config,
    output, settings, sources,
    table::{self, Output},
    tokens, traces,
};

const HEADINGS: [&str; 3] = ["WHAT", "IS", ""];

#[derive(Args)]
pub struct Arguments {
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

/// Looks at everything, whatever it finds first; fails if any of it is bad.
pub async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    // What is wrong with the settings themselves has ended the process before.
    findings.good("settings", "each has a value that is right by itself");
    given(&mut findings, config);
    databases::look(&mut findings, config).await;
    broker::look(&mut findings, config).await;
    downstream(&mut findings, config).await;
    collector(&mut findings, config).await;
    let all = findings.all();
    output::print(&match arguments.output {
        Output::Json => table::json(&all)?,
        Output::Table => {
            let rows: Vec<[String; 3]> = all.iter().map(Finding::cells).collect();
            table::table(&HEADINGS, rows.iter().map(<[String; 3]>::as_slice))
        }
    })?;
    match all.iter().filter(|finding| finding.is_bad()).count() {
        0 => Ok(()),
        1 => bail!("something is bad"),
        count => bail!("{count} things are bad"),
    }
}

/// What the settings say that a start makes something of, and files beside them.
fn given(findings: &mut Findings, config: &Config) {
    match sources::Watch::start(config) {
        Ok(sources) => {
            let sources = sources.sources().borrow().clone();
            let count = sources.iter().len() - usize::from(sources.built_in().is_some());
            findings.good("sources", format!("{count} beside the built-in one"));
        }
        Err(error) => findings.bad("sources", error),
    }
    match tokens::Watch::start(config) {
        Ok(tokens) => {
            let tokens = tokens.tokens().borrow().clone();
            let reads = match tokens.guard_reads() {
                true => "needed for reading",
                false => "not needed for reading",
            };
            let changes = match tokens.allow_changes() {
                true => "who has one for it changes things over HTTP",
                false => "nobody changes anything over HTTP",
            };
            findings.good("tokens", format!("{reads}; {changes}"));
        }
        Err(error) => findings.bad("tokens", error),
    }
    match Post::of(config) {
        Ok(Some(_)) => findings.good("alerts", "posted to ALERT_URL"),
        Ok(None) => findings.good("alerts", "none: ALERT_URL is not set"),
        Err(error) => findings.bad("alerts", error),
    }
}

/// Whether a call could be made. None is.
async fn downstream(findings: &mut Findings, config: &Config) {
    const WHAT: &str = "downstream";
    match settings::work(config) {
        Err(error) => findings.bad(WHAT, format!("{error:#}")),
        Ok(consumer::Work::Simulate { delay }) => {
            let delay = humantime::format_duration(delay);
            findings.good(
                WHAT,
                format!("simulated, {delay} each: PROCESS_URL is not set"),
            );
        }
        Ok(consumer::Work::Http(downstream)) => match downstream.reach().await {
            Ok(()) => findings.good(WHAT, "PROCESS_URL takes connections"),
            Err(error) => findings.bad(WHAT, format!("PROCESS_URL: {error}")),
        },
    }
}

/// Whether spans could be exported, if they are to be. Webhooks do not need it.
async fn collector(findings: &mut Findings, config: &Config) {
    const WHAT: &str = "traces";
    match traces::Given::of(config) {
        Err(error) => findings.bad(WHAT, error),
        Ok(None) => {}
        Ok(Some(given)) => match given.reach().await {
            Ok(()) => findings.good(WHAT, "the collector takes connections"),
            Err(error) => findings.doubtful(WHAT, format!("the collector: {error}")),
        },
    }
}
