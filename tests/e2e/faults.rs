//! What dies, and what happens then.

use std::time::Duration;

use entity::outbox;
use lab::rabbitmq;
use rustix::process::Signal;
use sea_orm::EntityTrait;

use crate::{
    house::House,
    processes::{Process, run},
};

async fn migrated() -> House {
    let house = House::on_servers().await;
    let ended = run(house.folder.path(), &["migrate", "up"], &house.environment).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    house
}

/// Waits until a consumer holds so many ids.
async fn until_taken(house: &House, count: usize) {
    let db = house.database().await;
    for _ in 0..600 {
        let entries = outbox::Entity::find().all(&db).await.unwrap();
        if entries.iter().filter(|e| e.holder.is_some()).count() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the ids were not taken");
}

/// Waits until a process has logged this.
async fn until_logged(process: &Process, line: &str) {
    for _ in 0..600 {
        if process.log().contains(line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not logged: {line}\n{}", process.log());
}

#[tokio::test]
async fn killed_in_the_middle_of_work_the_embedded_service_picks_everything_up_again() {
    let mut house = House::embedded();
    house.environment.insert("PROCESSING_DELAY", "30s".into());
    let first = house.process("").await;
    house
        .send_all(&first.url(), (0..50).map(|i| format!("t{i}")))
        .await;
    first.kill().await;
    house.environment.insert("PROCESSING_DELAY", "100ms".into());
    let api = house.start("").await.url();
    for i in 0..50 {
        house.processed(&api, &format!("t{i}")).await;
    }
    assert_eq!(house.rows().await, 50);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_killed_inside_the_delay_has_its_work_done_by_another() {
    let mut house = migrated().await;
    let api = house.start("api").await.url();
    house.environment.insert("PROCESSING_DELAY", "30s".into());
    let doomed = house.process("consumer").await;
    house.send_all(&api, (0..50).map(|i| format!("t{i}"))).await;
    until_taken(&house, 50).await;
    doomed.kill().await;
    house.environment.insert("PROCESSING_DELAY", "100ms".into());
    house.start("consumer").await;
    house.settled().await;
    assert_eq!(house.rows().await, 50);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_that_slept_through_its_lease_changes_nothing_when_it_wakes() {
    let mut house = migrated().await;
    let api = house.start("api").await.url();
    house.environment.insert("PROCESSING_DELAY", "1s".into());
    let sleeper = house.process("consumer").await;
    house.send_all(&api, (0..50).map(|i| format!("t{i}"))).await;
    until_taken(&house, 50).await;
    sleeper.signal(Signal::STOP);
    house.start("consumer").await;
    let mut before = Vec::new();
    for i in 0..50 {
        before.push(house.processed(&api, &format!("t{i}")).await);
    }
    sleeper.signal(Signal::CONT);
    until_logged(&sleeper, "could not renew its lease in time").await;
    for (i, before) in before.iter().enumerate() {
        let now = house.transaction(&api, &format!("t{i}")).await;
        assert_eq!(now, *before);
    }
    house.settled().await;
    sleeper.kill().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn what_an_api_had_committed_and_not_published_is_published_after_its_restart() {
    let mut house = migrated().await;
    let broker = house.environment["AMQP_URL"].clone();
    // Committed it is, and published it cannot be: nothing listens there.
    house
        .environment
        .insert("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f".into());
    let doomed = house.process("api").await;
    house
        .send_all(&doomed.url(), (0..20).map(|i| format!("t{i}")))
        .await;
    let ready = house.get(&format!("{}/readyz", doomed.url())).await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("\"queue\""));
    doomed.kill().await;
    house.environment.insert("AMQP_URL", broker);
    house.start("api").await;
    house.start("consumer").await;
    house.settled().await;
    assert_eq!(house.rows().await, 20);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_message_published_twice_by_hand_is_processed_once() {
    let mut house = migrated().await;
    house.environment.insert("PROCESSING_DELAY", "1s".into());
    let api = house.start("api").await.url();
    house.send(&api, "t1").await;
    let url = house.environment["AMQP_URL"].clone();
    let name = house.environment["AMQP_QUEUE"].clone();
    let row = {
        let db = house.database().await;
        entity::lifecycle::find(&db, "t1").await.unwrap().unwrap()
    };
    let message = row.id.to_string();
    for _ in 0..2 {
        rabbitmq::publish(&url, &name, &name, message.as_bytes())
            .await
            .unwrap();
    }
    house.start("consumer").await;
    let first = house.processed(&api, "t1").await;
    house.settled().await;
    // Once more, after the end.
    rabbitmq::publish(&url, &name, &name, message.as_bytes())
        .await
        .unwrap();
    house.settled().await;
    assert_eq!(house.transaction(&api, "t1").await, first);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_message_that_names_no_row_becomes_a_dead_letter_and_harms_nothing() {
    let mut house = migrated().await;
    house.dead_letters = 3;
    let api = house.start("api").await.url();
    house.start("consumer").await;
    house.send(&api, "t1").await;
    house.processed(&api, "t1").await;
    let url = house.environment["AMQP_URL"].clone();
    let name = house.environment["AMQP_QUEUE"].clone();
    let nobody = uuid::Uuid::now_v7().to_string();
    for body in [nobody.as_bytes(), b"no id", b"\x00\xff"] {
        rabbitmq::publish(&url, &name, &name, body).await.unwrap();
    }
    house.send(&api, "t2").await;
    house.processed(&api, "t2").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn two_consumers_share_the_work_and_two_apis_the_same_ids() {
    let mut house = migrated().await;
    let one = house.start("api").await.url();
    let two = house.start("api").await.url();
    for _ in 0..2 {
        house.start("consumer").await;
    }
    let ids = || (0..300).map(|i| format!("t{i}"));
    tokio::join!(house.send_all(&one, ids()), house.send_all(&two, ids()));
    house.settled().await;
    assert_eq!(house.rows().await, 300);
}

/// Stops with work in hand: exit 0, soon, and nothing lost.
async fn stops_in_order(mut process: Process) {
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0), "{}", process.log());
    assert!(process.log().contains("stopped"), "{}", process.log());
}

#[tokio::test]
async fn a_signal_stops_the_embedded_service_and_loses_nothing() {
    let mut house = House::embedded();
    house.environment.insert("PROCESSING_DELAY", "30s".into());
    let first = house.process("").await;
    house
        .send_all(&first.url(), (0..50).map(|i| format!("t{i}")))
        .await;
    stops_in_order(first).await;
    house.environment.insert("PROCESSING_DELAY", "0s".into());
    house.start("").await;
    house.settled().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_signal_hands_a_consumers_work_back_to_the_queue() {
    let mut house = migrated().await;
    let api = house.start("api").await.url();
    house.environment.insert("PROCESSING_DELAY", "30s".into());
    let first = house.process("consumer").await;
    house.send_all(&api, (0..50).map(|i| format!("t{i}"))).await;
    until_taken(&house, 50).await;
    stops_in_order(first).await;
    assert_eq!(house.queue().unwrap().depth().await.unwrap().ready, 50);
    house.environment.insert("PROCESSING_DELAY", "0s".into());
    house.start("consumer").await;
    house.settled().await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    use tokio::io::AsyncWriteExt;
    let house = House::embedded();
    let mut process = house.process("").await;
    // A request that never ends keeps the first stop waiting.
    let address = process.url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = b"POST /v1/webhooks/transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    house.get(&format!("{}/healthz", process.url())).await;
    process.signal(Signal::TERM);
    while !process.log().contains("stopping") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    process.signal(Signal::INT);
    assert_eq!(process.ended().await, Some(130));
}

#[tokio::test]
async fn with_the_disk_full_webhooks_are_refused_and_accepted_when_there_is_room_again() {
    let house = House::embedded();
    let process =
        Process::start_on_a_small_disk(house.folder.path(), 600, &house.environment).await;
    let api = process.url();
    let mut accepted = Vec::new();
    let mut refused = 0;
    for i in 0..2000 {
        let id = format!("t{i}");
        let response = house
            .post(&api, crate::house::webhook(&id).to_string())
            .await;
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
    house
        .send_all(&api, (0..50).map(|i| format!("after{i}")))
        .await;
    for i in 0..50 {
        house.processed(&api, &format!("after{i}")).await;
    }
    for id in accepted {
        house.processed(&api, &id).await;
    }
    process.kill().await;
}

/// Tests that crash servers of their own.
mod private_servers {
    use lab::{postgres, rabbitmq, tls::Certificates};

    use super::*;

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn with_the_broker_away_webhooks_are_accepted_and_processed_when_it_is_back() {
        let postgres = postgres::Server::start(postgres::Options::default())
            .await
            .unwrap();
        let mut broker = rabbitmq::Server::start(rabbitmq::Options::default())
            .await
            .unwrap();
        let mut house = House::on(&postgres.url("postgres"), &broker.amqp_url()).await;
        let ended = run(house.folder.path(), &["migrate", "up"], &house.environment).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let api = house.start("api").await.url();
        house.start("consumer").await;
        house
            .send_all(&api, (0..200).map(|i| format!("before{i}")))
            .await;
        // Freshly declared quorum queues reach the disk a little later than their messages.
        broker.flush_declarations().await.unwrap();
        let load = house.send_all(&api, (0..2000).map(|i| format!("while{i}")));
        let outage = async {
            broker.kill().await.unwrap();
            house
                .send_all(&api, (0..500).map(|i| format!("without{i}")))
                .await;
            broker.start_again().await.unwrap();
        };
        tokio::join!(load, outage);
        house.send(&api, "after").await;
        house.processed(&api, "after").await;
        house.settled().await;
        assert_eq!(house.rows().await, 2701);
        drop(house);
    }

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn with_the_database_away_webhooks_are_refused_at_once_and_accepted_when_it_is_back() {
        let mut postgres = postgres::Server::start(postgres::Options::default())
            .await
            .unwrap();
        let mut house = House::on(&postgres.url("postgres"), "unused").await;
        house.environment.remove("AMQP_URL");
        let api = house.start("").await.url();
        house.send(&api, "before").await;
        postgres.kill().await.unwrap();
        for i in 0..20 {
            let sent = std::time::Instant::now();
            let body = crate::house::webhook(&format!("without{i}")).to_string();
            let response = house.post(&api, body).await;
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], "1");
            assert!(
                sent.elapsed() < Duration::from_millis(1500),
                "{:?}",
                sent.elapsed()
            );
        }
        let ready = house.get(&format!("{api}/readyz")).await;
        assert_eq!(ready.status(), 503);
        assert!(ready.text().await.unwrap().contains("\"database\""));
        postgres.start_again().await.unwrap();
        let mut tries = 0;
        while house
            .post(&api, crate::house::webhook("after").to_string())
            .await
            .status()
            != 202
        {
            tries += 1;
            assert!(tries < 100);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        house.processed(&api, "after").await;
        house.processed(&api, "before").await;
        drop(house);
    }

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn tls_to_both_with_a_certificate_authority_of_ones_own() {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::generate(folder.path()).unwrap();
        let options = postgres::Options {
            tls: Some(certificates.clone()),
            ..postgres::Options::default()
        };
        let postgres = postgres::Server::start(options).await.unwrap();
        let options = rabbitmq::Options {
            tls: Some(certificates.clone()),
        };
        let broker = rabbitmq::Server::start(options).await.unwrap();
        let mut house = House::on(&postgres.url("postgres"), &broker.amqp_url()).await;
        let plain = house.environment["DATABASE_URL"].replace("127.0.0.1", "localhost");
        let ca = certificates.ca.display().to_string();
        let amqps = broker.amqps_url().unwrap();

        // Whom we were not told to trust we do not trust.
        let mut strangers = house.environment.clone();
        strangers.insert("DATABASE_URL", format!("{plain}?sslmode=verify-full"));
        let ended = run(house.folder.path(), &["migrate", "up"], &strangers).await;
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("DATABASE_URL"), "{}", ended.stderr);

        let amqp = house.environment.insert("AMQP_URL", amqps).unwrap();
        house.environment.insert("AMQP_CA_FILE", ca.clone());
        for parameters in [
            "sslmode=require".to_owned(),
            format!("sslmode=verify-full&sslrootcert={ca}"),
        ] {
            house
                .environment
                .insert("DATABASE_URL", format!("{plain}?{parameters}"));
            let process = house.process("").await;
            let id = parameters.split('&').next().unwrap();
            house.send(&process.url(), id).await;
            house.processed(&process.url(), id).await;
            let ready = house.get(&format!("{}/readyz", process.url())).await;
            assert_eq!(ready.status(), 200);
            process.kill().await;
        }
        // The harness looks at what is left without TLS.
        house.environment.insert("AMQP_URL", amqp);
        house.environment.insert("DATABASE_URL", plain);
        house.environment.remove("AMQP_CA_FILE");
        house.start("").await;
        house.settled().await;
        drop(house);
    }
}
