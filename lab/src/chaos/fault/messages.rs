//! Faults of the messages.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use anyhow::Result;
use failpoint::{Death, Point};
use testbed::rabbitmq;

use crate::chaos::{
    check::DeadLetters,
    world::{Role, World},
};

/// As soon as the first piece of work ends.
const FIRST_WORK: Death = Death {
    point: Point::ConsumerAtWork,
    nth: NonZeroU32::MIN,
};
/// Messages of one kind.
const EACH: u32 = 3;
/// Messages of one id.
const COPIES: u32 = 100;
/// Ids of each kind, finished and unfinished, that are doubled.
const IDS: u32 = 5;
/// How often in a row the work kills its process.
const DEATHS: u32 = 5;
/// How long a process may take to come by its failpoint.
const LIVES: Duration = Duration::from_secs(5);

/// Messages that name nothing: each becomes a dead letter.
pub(super) async fn poison(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let nobody = uuid::Uuid::from_u128(rand::random());
    let bodies = [
        b"{\"not\":\"an id\"}".to_vec(),
        nobody.to_string().into_bytes(),
        Vec::new(),
        vec![b'x'; 1024 * 1024],
    ];
    for body in &bodies {
        publish(world, body, EACH).await?;
    }
    world.dead_letters = DeadLetters::Exactly(u64::from(EACH) * bodies.len() as u64);
    world.hold(lasts).await
}

/// Many messages of the same ids.
pub(super) async fn duplicate(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    for state in ["= 'PROCESSING'", "<> 'PROCESSING'"] {
        let sql = format!("SELECT id::text FROM transactions WHERE status {state} LIMIT {IDS}");
        let ids: Vec<String> = world.db.column(&sql).await?;
        for id in ids {
            publish(world, id.as_bytes(), COPIES).await?;
        }
    }
    world.hold(lasts).await
}

/// Publishes a message so many times, as the service would.
async fn publish(world: &mut World<'_>, body: &[u8], copies: u32) -> Result<()> {
    let url = world.servers.broker()?.amqp_url();
    rabbitmq::publish_copies(&url, &world.queue, body, copies).await
}

/// One consumer after the other aborts as soon as it begins to work.
pub(super) async fn kill_by_work(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let at = world.pick(Role::Consumer);
    world.instances[at].failpoint = Some(FIRST_WORK);
    for _ in 0..=DEATHS {
        world.kill_and_start(&[at]).await?;
        let since = Instant::now();
        while !world.instances[at].has_ended()? && since.elapsed() < LIVES {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    world.instances[at].failpoint = None;
    world.kill_and_start(&[at]).await?;
    world.hold(lasts).await
}
