//! How much memory does a webhook take while it is in flight?

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testbed::rabbitmq;

use crate::bench::{
    invocation::Bench,
    processor::resident_bytes,
    report::Target,
    service::{Service, Work},
    site::{Broker, Site},
    wait::until,
};

/// Webhooks in flight at once.
const COUNT: u64 = 300_000;
/// No webhook is done before the run is.
const DELAY: Duration = Duration::from_secs(3600);
/// How long it may take until the consumer holds everything.
const DELIVERED_WITHIN: Duration = Duration::from_secs(180);
/// How long the broker may take to take everything back.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Time for buffers to be given back.
const CALM: Duration = Duration::from_secs(3);

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let count = bench.count(COUNT);
    let (mut idle, mut per_webhook, mut broker) = (vec![], vec![], vec![]);
    for run in bench.runs() {
        let memory = hold(bench, count).await?;
        idle.push(memory.idle as f64 / 1e6);
        per_webhook.push(memory.consumer as f64 / count as f64);
        // The same broker does all runs, and keeps what it has once taken.
        if run == 1 {
            broker.push(memory.broker as f64 / count as f64);
        }
    }
    let report = &mut bench.report;
    report.figure("consumer, idle", "MB", idle);
    report.figure("RabbitMQ above idle", "bytes/webhook", broker);
    let what = format!("consumer above idle, {count} in flight");
    let bytes = report.figure(what, "bytes/webhook", per_webhook);
    let what = "consumer, bytes per webhook";
    report.verdict(what, bytes, Target::AtMost(700.0));
    Ok(())
}

/// Resident memory, in bytes.
struct Memory {
    idle: u64,
    /// Above idle.
    consumer: u64,
    broker: u64,
}

/// Fills the consumer, looks at its memory, kills the service, and checks that nothing is lost.
async fn hold(bench: &Bench, count: u64) -> Result<Memory> {
    let site = bench.site().await?;
    let service = Service::start(&bench.binary, &site, Work::Simulated(DELAY)).await?;
    let consumer = service.consumer.as_ref().context("no consumer")?.pid();
    let servers = bench.servers.as_ref().context("no servers")?;
    let rabbitmq = servers.rabbitmq.pid().context("no RabbitMQ")?;
    let (idle, broker_idle) = (resident_bytes(consumer)?, resident_bytes(rabbitmq)?);
    let load = bench.counted(COUNT);
    let answers = load.apply_all_accepted(service.address).await?;
    ensure!(
        answers.accepted == count,
        "only {} webhooks were accepted in time",
        answers.accepted
    );
    all_delivered(&site, count).await?;
    tokio::time::sleep(CALM).await;
    let memory = Memory {
        idle,
        consumer: resident_bytes(consumer)?.saturating_sub(idle),
        broker: resident_bytes(rabbitmq)?.saturating_sub(broker_idle),
    };

    let Service { api, consumer, .. } = service;
    api.kill().await?;
    consumer.context("no consumer")?.kill().await?;
    let rows = site.rows().await?;
    let expected = i64::try_from(count)?;
    ensure!(
        (rows.all, rows.processed, rows.outbox) == (expected, 0, expected),
        "{count} webhooks were in flight, and the database says {rows:?}: the check failed"
    );
    let Broker { amqp_url, queue } = site.broker()?;
    let what = "the broker has everything again: the check failed";
    let is_back = async || Ok(u64::from(rabbitmq::message_count(amqp_url, queue).await?) >= count);
    until(BACK_WITHIN, what, is_back).await?;
    site.clear().await?;
    Ok(memory)
}

/// Waits until every message is published and none waits in the queue: the consumer holds them all.
async fn all_delivered(site: &Site, count: u64) -> Result<()> {
    // What is published is due again only long after; what is not, within seconds.
    let sql = "SELECT count(*) FROM outbox WHERE due_at > (extract(epoch FROM clock_timestamp()) + 60) * 1000";
    let Broker { amqp_url, queue } = site.broker()?;
    let what = format!("{count} webhooks are published and delivered");
    until(DELIVERED_WITHIN, &what, async || {
        let published: Option<i64> = site.one(sql, []).await?;
        let waiting = rabbitmq::message_count(amqp_url, queue).await?;
        Ok(published == Some(count.cast_signed()) && waiting == 0)
    })
    .await
}
