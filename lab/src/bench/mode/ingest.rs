//! How many webhooks per second are answered with 202, with everything running, and while the broker is away?

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::bench::{
    invocation::Bench,
    load::{Answers, Load},
    report::Target,
    service::Service,
    trial::{self, DRAIN_WITHIN, Plan},
    yardstick::single_inserts,
};
use crate::servers::Servers;

const MODE: &str = "ingest";

/// Connections of the yardstick.
const CLIENTS: u32 = 32;

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let time = bench.time(10);
    let (mut inserts, mut ours, mut away) = (vec![], vec![], vec![]);
    for run in bench.runs() {
        bench.phase("single inserts", 0);
        let site = bench.site().await?;
        inserts.push(single_inserts::rate(&bench.servers()?.postgres, &site, CLIENTS, time).await?);
        site.clear().await?;

        bench.phase("hookline", 0);
        ours.push(trial::on_servers(bench, Plan::closed(bench, u64::MAX, time)).await?);
        bench.phase("hookline, the broker away", 0);
        away.push(broker_away(bench, time).await?.rate());
        if let (Some(inserts), Some(ours), Some(away)) = (inserts.last(), ours.last(), away.last())
        {
            bench.say(&format!(
                "ingest {run}: single inserts {inserts:.0}/s, hookline {:.0}/s, broker away {away:.0}/s",
                ours.answers.rate()
            ));
        }
    }
    let report = &mut bench.report;
    let inserts = report.figure(
        MODE,
        format!("single inserts, {CLIENTS} connections"),
        "rows/s",
        inserts,
    );
    let rate = trial::note(report, MODE, "everything running", &ours);
    let away = report.figure(MODE, "broker away: 202s", "webhooks/s", away);
    report.verdict(
        MODE,
        "everything running : single inserts",
        rate / inserts,
        Target::AtLeast(0.6),
    );
    report.verdict(
        MODE,
        "broker away : single inserts",
        away / inserts,
        Target::AtLeast(1.3),
    );
    Ok(())
}

/// Stops the broker under a running service, applies the load, brings the broker back and checks that every webhook is
/// `PROCESSED` all the same.
async fn broker_away(bench: &mut Bench, time: Duration) -> Result<Answers> {
    let mut site = bench.site().await?;
    let mut service = Service::start(&bench.binary, &site, Duration::ZERO).await?;
    let Servers { rabbitmq, .. } = bench.servers.as_mut().context("no servers")?;
    rabbitmq.stop().await?;
    let load = Load::closed(service.address, bench.args.connections, time);
    let answers = load.apply_all_accepted(&bench.progress).await?;
    rabbitmq.start_again().await?;
    site.all_done(&mut service, DRAIN_WITHIN).await?;
    service.stop().await?;
    site.check_new(answers.accepted).await?;
    site.clear().await?;
    Ok(answers)
}
