//! One invocation of the benchmark: what it was asked for, what it has started, and what has come of it so far.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;

use super::{args::Args, plot, report::Report, site::Site};
use crate::{document, servers::Servers};

/// Webhooks of a smoke run.
const SMOKE_COUNT: u64 = 2_000;
/// Seconds of a smoke run.
const SMOKE_SECONDS: u64 = 2;

/// What every mode works with.
pub(super) struct Bench {
    pub(super) args: Args,
    pub(super) binary: PathBuf,
    pub(super) servers: Option<Servers>,
    pub(super) report: Report,
    pub(super) progress: ProgressBar,
}

impl Bench {
    pub(super) fn servers(&self) -> Result<&Servers> {
        self.servers.as_ref().context("this mode has no servers")
    }

    /// A new site on the servers, for one run.
    pub(super) async fn site(&self) -> Result<Site> {
        Site::on_servers(self.servers()?, &self.binary).await
    }

    /// The runs to do, counted from 1.
    pub(super) fn runs(&self) -> impl Iterator<Item = u32> + use<> {
        let runs: RangeInclusive<u32> = 1..=if self.args.smoke { 1 } else { self.args.runs };
        runs
    }

    /// Webhooks in a run.
    pub(super) fn count(&self, usual: u64) -> u64 {
        match self.args.smoke {
            true => SMOKE_COUNT,
            false => self.args.count.unwrap_or(usual),
        }
    }

    /// The length of a run.
    pub(super) fn time(&self, usual: u64) -> Duration {
        Duration::from_secs(match self.args.smoke {
            true => SMOKE_SECONDS,
            false => self.args.seconds.unwrap_or(usual),
        })
    }

    /// Shows what goes on now.
    pub(super) fn phase(&self, what: &str, count: u64) {
        self.progress.reset();
        self.progress.set_length(count);
        self.progress.set_message(what.to_owned());
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        if !self.args.smoke {
            self.progress.suspend(|| eprintln!("{line}"));
        }
    }

    pub(super) fn finish(self) -> Result<()> {
        self.progress.finish_and_clear();
        if self.args.smoke {
            println!("smoke: every check passed");
            return Ok(());
        }
        print!("{}", self.report.tables());
        if let Some(folder) = &self.args.plots {
            plot::write(&self.report.curves, folder)?;
        }
        if let Some(file) = &self.args.json {
            let json = serde_json::to_string_pretty(&self.report)? + "\n";
            document::write(file, &json)?;
        }
        Ok(())
    }
}
