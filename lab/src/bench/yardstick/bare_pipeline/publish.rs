//! Persistent messages with many confirms under way.

use std::collections::VecDeque;

use anyhow::{Result, bail};
use futures::{FutureExt as _, future::try_join_all};
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::sync::mpsc;
use uuid::Uuid;

/// AMQP's delivery mode for messages that survive a restart.
const PERSISTENT: u8 = 2;
/// Messages on their way to the broker and not confirmed.
const WINDOW: usize = 4096;

/// Publishes until there are no more ids and all are confirmed.
pub(super) async fn run(
    channel: &Channel,
    queue: &str,
    mut batches: mpsc::Receiver<Vec<Uuid>>,
) -> Result<()> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let queue = ShortString::from(queue);
    let mut unconfirmed: VecDeque<PublisherConfirm> = VecDeque::new();
    let mut more = true;
    while more || !unconfirmed.is_empty() {
        let room = unconfirmed.len() < WINDOW;
        tokio::select! {
            batch = batches.recv(), if more && room => match batch {
                // Polled in order, each takes its number at its first poll; then they wait together for the socket.
                Some(ids) => unconfirmed.extend(
                    try_join_all(ids.iter().map(|id| publish(channel, &queue, id))).await?,
                ),
                None => more = false,
            },
            first = first(&mut unconfirmed) => {
                accept(&first?)?;
                while let Some(next) = unconfirmed.front_mut().and_then(|next| next.now_or_never()) {
                    accept(&next?)?;
                    unconfirmed.pop_front();
                }
            }
        }
    }
    Ok(())
}

async fn publish(
    channel: &Channel,
    queue: &ShortString,
    id: &Uuid,
) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    channel
        .basic_publish(
            ShortString::default(),
            queue.clone(),
            BasicPublishOptions::default(),
            id.as_bytes(),
            properties,
        )
        .await
}

/// Waits for the oldest confirm and takes it out.
async fn first(unconfirmed: &mut VecDeque<PublisherConfirm>) -> lapin::Result<Confirmation> {
    let confirmation = match unconfirmed.front_mut() {
        Some(oldest) => oldest.await,
        None => std::future::pending().await,
    };
    unconfirmed.pop_front();
    confirmation
}

fn accept(confirmation: &Confirmation) -> Result<()> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        other => bail!("the broker did not take a message: {other:?}"),
    }
}
