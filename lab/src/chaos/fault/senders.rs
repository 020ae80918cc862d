//! Faults of the senders.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use anyhow::Result;
use rand::RngExt as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use super::database;
use crate::chaos::{
    load::Habits,
    world::{Role, World},
};

/// Senders who never finish.
const SLOW: usize = 300;
/// Between two bytes of theirs.
const SLOWLY: Duration = Duration::from_millis(700);

/// They have other habits for a while.
pub(super) async fn are(
    world: &mut World<'_>,
    lasts: Duration,
    bad: fn(Habits) -> Habits,
) -> Result<()> {
    world.habits.send_modify(|habits| *habits = bad(*habits));
    world.hold(lasts).await
}

/// The table is locked, and every sender gives up soon and tries again at once.
pub(super) async fn repeat_while_locked(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    world.habits.send_modify(|habits| habits.storm = true);
    database::lock(world, lasts).await
}

/// Many senders who say one byte after the other, some in their headers and some in their body.
pub(super) async fn dawdle(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut senders = JoinSet::new();
    for _ in 0..SLOW {
        let api = world.pick(Role::Api);
        let address = world.instances[api].address();
        let in_body = world.random.random_bool(0.5);
        senders.spawn(say_slowly(address, in_body));
    }
    world.hold(lasts).await
}

/// Says one byte after the other until the service has had enough, and has closed the connection.
async fn say_slowly(address: SocketAddr, in_body: bool) -> io::Result<Infallible> {
    let mut stream = TcpStream::connect(address).await?;
    let head = "POST /v1/webhooks/transactions HTTP/1.1\r\nhost: slow\r\n";
    stream.write_all(head.as_bytes()).await?;
    if in_body {
        let rest = "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
        stream.write_all(rest.as_bytes()).await?;
    }
    loop {
        tokio::time::sleep(SLOWLY).await;
        stream.write_all(b"x").await?;
    }
}
