//! Does a crowd of senders that repeat themselves cost more than one with something new to say?

use anyhow::Result;

use crate::bench::{
    invocation::Bench,
    report::Target,
    trial::{self, Plan},
};

const MODE: &str = "duplicates";

/// Different webhooks in the storm.
const DISTINCT: u64 = 1_000;

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let time = bench.time(10);
    let (mut new, mut repeats) = (vec![], vec![]);
    for _ in bench.runs() {
        let plan = Plan::closed(bench, u64::MAX, time);
        bench.phase("new webhooks", 0);
        new.push(trial::on_servers(bench, plan).await?.answers.rate());
        let storm = Plan {
            distinct: Some(DISTINCT),
            ..plan
        };
        bench.phase("repeats", 0);
        repeats.push(trial::on_servers(bench, storm).await?);
    }
    let report = &mut bench.report;
    let new = report.figure(MODE, "new: 202s", "webhooks/s", new);
    let rate = trial::note(report, MODE, "repeats", &repeats);
    report.verdict(MODE, "repeats : new", rate / new, Target::AtLeast(1.0));
    Ok(())
}
