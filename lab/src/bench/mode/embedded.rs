//! The defaults, SQLite and a queue inside the process: how many webhooks per second are answered, and go all the way?

use anyhow::Result;

use super::{RUN_WITHIN, compared::Compared, pipeline::peer_rate};
use crate::bench::{
    invocation::Bench,
    site::Site,
    trial::{self, Plan},
    yardstick::{bare_sqlite, fastapi::Stack},
};

const MODE: &str = "embedded";

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let count = bench.count(100_000);
    let stack = Stack::set_up(bench).await;
    let (mut bare, mut ours, mut peer) = (vec![], vec![], vec![]);
    for run in bench.runs() {
        bench.phase("bare SQLite", count);
        let mut site = Site::embedded(&bench.binary).await?;
        let took = bare_sqlite::run(&site, count, &bench.progress).await?;
        site.check_new(count).await?;
        site.clear().await?;
        bare.push(count as f64 / took.as_secs_f64());

        bench.phase("hookline", count);
        let mut site = Site::embedded(&bench.binary).await?;
        ours.push(trial::run(bench, &mut site, Plan::closed(bench, count, RUN_WITHIN)).await?);
        site.clear().await?;
        if let Some(stack) = &stack {
            peer.push(peer_rate(bench, stack).await?);
        }
        if let (Some(bare), Some(ours)) = (bare.last(), ours.last()) {
            bench.say(&format!(
                "embedded {run}: bare {bare:.0}/s, hookline {:.0}/s",
                ours.rate
            ));
        }
    }
    let report = &mut bench.report;
    let bare = report.figure(MODE, "bare SQLite", "rows/s", bare);
    let rates = ours.iter().map(|trial| trial.rate).collect();
    let compared = Compared::note(report, MODE, "0 s delay", "PROCESSED", rates);
    trial::note(report, MODE, "0 s delay", &ours);
    compared.with(report, "bare SQLite", bare, 0.3);
    compared.with_fastapi(report, peer, 40.0);
    Ok(())
}
