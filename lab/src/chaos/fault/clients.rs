//! Faults of the senders.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use anyhow::Result;
use rand::RngExt as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use super::{Fault, database};
use crate::chaos::{
    load::Habits,
    world::{Role, World},
};

/// Senders who never finish.
const SLOW: usize = 300;
/// Between two bytes of theirs.
const SLOWLY: Duration = Duration::from_millis(700);

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let usual = *world.habits.borrow();
    let habits = match fault {
        Fault::ClientsLeave => Habits {
            leave: 0.5,
            ..usual
        },
        Fault::PoisonBodies => Habits {
            poison: 0.33,
            ..usual
        },
        Fault::DuplicateStorm => Habits {
            times: 4.0,
            repeat: 0.8,
            ..usual
        },
        Fault::RetryStorm => Habits {
            storm: true,
            ..usual
        },
        _ => usual,
    };
    world.habits.send_replace(habits);
    match fault {
        Fault::RetryStorm => database::lock(world, lasts).await?,
        Fault::SlowClients => slow_clients(world, lasts).await?,
        _ => world.hold(lasts).await?,
    }
    world.habits.send_replace(usual);
    Ok(())
}

/// Many senders who say one byte after the other, some in their headers and some in their body.
async fn slow_clients(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut senders = JoinSet::new();
    for _ in 0..SLOW {
        let api = world.pick(Role::Api);
        let address = world.instances[api].address();
        let in_body = world.random.random_bool(0.5);
        senders.spawn(dawdle(address, in_body));
    }
    world.hold(lasts).await
}

/// Says one byte after the other until the service has had enough, and has closed the connection.
async fn dawdle(address: SocketAddr, in_body: bool) -> io::Result<Infallible> {
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
