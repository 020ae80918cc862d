//! One invocation of the benchmark: what it was asked for, what it has started, and what has come of it so far.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    args::Args,
    load::{Load, Pace, Sender},
    processor::Named,
    report::Report,
    site::Site,
};
use crate::servers::Servers;

/// Webhooks of a smoke run.
const SMOKE_COUNT: u64 = 2_000;
/// Seconds of a smoke run.
const SMOKE_SECONDS: u64 = 2;
/// A run that is ended by its count takes no longer, or it has gone wrong.
const RUN_WITHIN: Duration = Duration::from_secs(180);

/// What every mode works with.
pub(super) struct Bench {
    pub(super) args: Args,
    pub(super) binary: PathBuf,
    pub(super) servers: Option<Servers>,
    pub(super) report: Report,
}

impl Bench {
    /// The servers' processes.
    pub(super) fn server_processes(&self) -> impl Iterator<Item = Named> {
        let pids = self.servers.iter().flat_map(|servers| {
            [
                ("PostgreSQL", servers.postgres.pid()),
                ("RabbitMQ", servers.rabbitmq.pid()),
            ]
        });
        pids.filter_map(|(name, pid)| Some((name, pid?)))
    }

    /// A new site on the servers, for one run.
    pub(super) async fn site(&self) -> Result<Site> {
        let servers = self.servers.as_ref().context("this mode has no servers")?;
        Site::on_servers(servers, &self.binary).await
    }

    /// The same for what the service is held against.
    pub(super) async fn bare_site(&self) -> Result<Site> {
        let mut site = self.site().await?;
        site.keep_one_table().await?;
        Ok(site)
    }

    /// The runs to do, counted from 1.
    pub(super) fn runs(&self) -> RangeInclusive<u32> {
        1..=if self.args.smoke { 1 } else { self.args.runs }
    }

    /// So many webhooks, unless the command line says another number, as fast as they are answered.
    pub(super) fn counted(&self, usual: u64) -> Load {
        self.closed(self.count(usual), RUN_WITHIN)
    }

    /// As many webhooks as are answered in so many seconds, unless the command line says another number.
    pub(super) fn timed(&self, usual: u64) -> Load {
        self.closed(u64::MAX, self.time(usual))
    }

    fn closed(&self, count: u64, time: Duration) -> Load {
        Load {
            sender: Sender::Transactions,
            connections: self.args.connections,
            pace: Pace::Closed,
            count,
            time,
            distinct: None,
            apart: self.args.apart,
        }
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

    /// Says what goes on.
    pub(super) fn say(&self, line: &str) {
        if !self.args.smoke {
            eprintln!("{line}");
        }
    }
}
