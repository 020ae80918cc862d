//! The disk is full, and has room again.

use crate::{
    harness::{Harness, webhook},
    processes::Process,
};

#[tokio::test]
async fn with_the_disk_full_webhooks_are_refused_and_accepted_when_there_is_room_again() {
    let harness = Harness::embedded();
    let process =
        Process::start_on_a_small_disk(harness.folder.path(), 2000, &harness.environment).await;
    let api = process.url();
    let mut accepted = Vec::new();
    let mut refused = 0;
    for i in 0..2000 {
        let id = format!("t{i}");
        let response = harness.post(&api, webhook(&id).to_string()).await;
        match response.status().as_u16() {
            202 => accepted.push(id),
            503 => refused += 1,
            status => panic!("{status}"),
        }
        if refused == 50 {
            break;
        }
    }
    assert_eq!(refused, 50, "the disk was never full");
    process.make_room();
    harness
        .send_all(&api, (0..50).map(|i| format!("after{i}")))
        .await;
    for i in 0..50 {
        harness.processed(&api, &format!("after{i}")).await;
    }
    for id in accepted {
        harness.processed(&api, &id).await;
    }
    process.kill().await;
}
