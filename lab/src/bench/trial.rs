//! One run of the service: start it, apply a load, wait until all is done, stop it, check, and only then tell figures.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, ensure};

use super::{
    invocation::Bench,
    load::{Answers, Load, Pace, Sender},
    processor::Clock,
    report::Measure,
    service::{Service, Work},
    site::{Lives, Site},
};
use crate::servers::Servers;

/// How long the service may take to finish everything after the last request, its delay aside.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(300);

/// What to do in a run.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) load: Load,
    /// How long the simulated call takes.
    pub(super) delay: Duration,
    /// Whether the broker is stopped under the running service, and comes back after the load.
    pub(super) broker_away: bool,
    /// Forged requests per second, sent beside the load for as long as it takes.
    pub(super) forged: Option<f64>,
}

impl Plan {
    /// Without delay, with everything running.
    pub(super) fn new(load: Load) -> Self {
        Self {
            load,
            delay: Duration::ZERO,
            broker_away: false,
            forged: None,
        }
    }
}

/// What came of it.
pub(super) struct Trial {
    pub(super) answers: Answers,
    /// Webhooks per second from the first request to the last `PROCESSED`.
    pub(super) rate: f64,
    pub(super) measures: Vec<Measure>,
    pub(super) lives: Lives,
}

/// Runs the service on a new site on PostgreSQL and RabbitMQ.
pub(super) async fn on_servers(bench: &mut Bench, plan: Plan) -> Result<Trial> {
    let mut site = bench.site().await?;
    let trial = run(bench, &mut site, plan).await?;
    site.clear().await?;
    Ok(trial)
}

/// Runs the service on `site`.
pub(super) async fn run(bench: &mut Bench, site: &mut Site, plan: Plan) -> Result<Trial> {
    site.settle().await?;
    let mut service = Service::start(&bench.binary, site, Work::Simulated(plan.delay)).await?;
    service.limit_api(bench.args.cpus)?;
    let mut processes = service.processes();
    if !site.is_embedded() {
        processes.extend(bench.server_processes());
    }
    let clock = Clock::start(processes)?;
    let answers = match &mut bench.servers {
        Some(Servers { rabbitmq, .. }) if plan.broker_away => {
            rabbitmq.stop().await?;
            let answers = plan.load.apply_all_accepted(service.address).await?;
            rabbitmq.start_again().await?;
            answers
        }
        _ => match plan.forged {
            None => plan.load.apply(service.address).await?,
            Some(rate) => beside_forged(plan.load, rate, service.address).await?,
        },
    };
    site.all_done(&mut service, DRAIN_WITHIN + plan.delay)
        .await?;
    let mut measures = clock.per_webhook(answers.accepted.max(1))?;
    service.stop().await?;
    ensure!(answers.accepted > 0, "no webhook was accepted");
    let new = match plan.load.distinct {
        Some(distinct) => distinct.min(answers.accepted),
        None => site.committed(&answers).await?,
    };
    site.check(new).await?;
    measures.extend(site.tables().await?);
    tell(site, answers, measures).await
}

/// Applies a load that lasts a time, and forged requests beside it, each of which must be refused.
async fn beside_forged(load: Load, rate: f64, address: SocketAddr) -> Result<Answers> {
    let forged = Load {
        sender: Sender::Forger,
        pace: Pace::Open(rate),
        count: u64::MAX,
        ..load
    };
    let (answers, forged) =
        tokio::try_join!(load.apply(address), forged.apply_all_accepted(address))?;
    ensure!(forged.accepted > 0, "nothing was forged");
    Ok(answers)
}

/// What the tables of a run that has passed its check say about it.
pub(super) async fn tell(site: &Site, answers: Answers, measures: Vec<Measure>) -> Result<Trial> {
    let lives = site.lives(answers.began).await?;
    Ok(Trial {
        rate: answers.accepted as f64 / lives.last,
        measures,
        lives,
        answers,
    })
}
