//! What dies, goes away or is told to stop, and what happens then.

mod deaths;
mod disk;
mod half_sick;
mod messages;
mod private_servers;
mod sqlite_file;
mod stops;

use std::time::{Duration, Instant};

use entity::outbox;
use sea_orm::EntityTrait;

use crate::{
    harness::Harness,
    processes::{Process, SOON},
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until the API has its queue, too: it listens before that, and what it takes meanwhile may be published twice if the
/// queue has to be created.
pub(crate) async fn until_ready(harness: &Harness, api: &str) {
    let readyz = format!("{api}/readyz");
    let ready = async || harness.get(&readyz).await.status() == 200;
    until(ready, || "it does not become ready".into()).await;
}

/// Waits until `condition` holds; if it does not soon, `otherwise` says what is wrong.
pub(crate) async fn until(condition: impl AsyncFn() -> bool, otherwise: impl FnOnce() -> String) {
    let since = Instant::now();
    while !condition().await {
        if since.elapsed() > SOON {
            panic!("{}", otherwise());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until consumers hold so many ids.
async fn until_taken(harness: &Harness, count: usize) {
    let db = harness.database().await;
    let taken = async || {
        let entries = outbox::Entity::find().all(&db).await.unwrap();
        entries.iter().filter(|e| e.holder.is_some()).count() == count
    };
    until(taken, || "the ids were not taken".into()).await;
}

/// Starts an API and a consumer, whose work takes `delay`, and returns once the consumer holds fifty webhooks, `t0` to
/// `t49`: where the API listens, and the consumer.
async fn fifty_in_flight(harness: &mut Harness, delay: &str) -> (String, Process) {
    let api = harness.start("api").await.url();
    until_ready(harness, &api).await;
    harness.environment.insert("PROCESSING_DELAY", delay.into());
    let consumer = harness.process("consumer").await;
    harness
        .send_all(&api, (0..50).map(|i| format!("t{i}")))
        .await;
    until_taken(harness, 50).await;
    (api, consumer)
}

/// Waits until a process has logged this.
pub(crate) async fn until_logged(process: &Process, line: &str) {
    let logged = async || process.log().contains(line);
    until(logged, || format!("not logged: {line}\n{}", process.log())).await;
}
