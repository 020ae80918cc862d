use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    Content, Event, Fields, Payload, SourceName, Webhook,
    lifecycle::{self, Receipt},
};
use futures::poll;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Group, NotCommitted, Resources, Slots, Writer, channel, run};
use crate::{
    admission::Admission,
    lane::Lane,
    relay::{self, HintReceiver},
    repeats::Repeats,
    scene::{database, execute, webhook},
};

type Outcome = Result<Receipt, NotCommitted>;

struct Scene {
    db: DatabaseConnection,
    writer: Writer,
    admission: Admission,
    hints: HintReceiver,
    run: JoinHandle<()>,
}

impl Scene {
    async fn new(slots: Slots) -> Self {
        let db = database().await;
        let (writer, inbox) = channel();
        let (sender, hints) = relay::channel();
        let admission = Admission::new(slots);
        let resources = Resources {
            db: db.clone(),
            hints: sender,
            repeats: Repeats::default(),
            commits: Default::default(),
            file: None,
        };
        let run = run(resources, inbox, admission.clone(), slots);
        let run = tokio::spawn(run);
        Self {
            db,
            writer,
            admission,
            hints,
            run,
        }
    }

    /// Hands a webhook in. Returns who waits for its receipt, for as long as that takes.
    async fn hand_in(&self, id: &str) -> JoinHandle<Outcome> {
        let (writer, webhook) = (self.writer.clone(), webhook(id));
        let mut waits = Box::pin(async move { receive(&writer, webhook, in_ms(60_000)).await });
        assert!(poll!(&mut waits).is_pending());
        tokio::spawn(waits)
    }

    async fn hand_in_all<const N: usize>(&self, ids: [&str; N]) -> Vec<JoinHandle<Outcome>> {
        let mut waiting = Vec::new();
        for id in ids {
            waiting.push(self.hand_in(id).await);
        }
        waiting
    }

    /// Hands one in whose commit has begun, and waits for the only connection.
    async fn begin(&self, id: &str) -> JoinHandle<Outcome> {
        let waits = self.hand_in(id).await;
        while self.writer.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        waits
    }

    async fn row(&self, id: &str) -> Option<Uuid> {
        self.row_of("transactions", id).await
    }

    async fn row_of(&self, source: &str, id: &str) -> Option<Uuid> {
        let (source, id) = (source.parse().unwrap(), id.parse().unwrap());
        let row = lifecycle::find(&self.db, &source, &id).await;
        row.unwrap().map(|row| row.id)
    }

    /// How many ids each commit had that the relay was told of.
    async fn hinted(&mut self) -> usize {
        self.hints.0.recv().await.unwrap().ids.len()
    }
}

/// Hands in one alone.
async fn receive(writer: &Writer, webhook: Webhook, due: Instant) -> Outcome {
    let received = (writer.receive(Group::one(webhook), due, &Arc::default(), None)).await;
    received.map(|receipts| receipts.first)
}

async fn outcomes(waiting: Vec<JoinHandle<Outcome>>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for waits in waiting {
        outcomes.push(waits.await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn what_waits_while_a_batch_commits_shares_the_next_commit() {
    let mut scene = Scene::new(Slots::SQLITE).await;
    let held = scene.db.begin().await.unwrap();
    let first = scene.begin("first").await;
    let others = scene.hand_in_all(["a", "b", "c", "d", "e"]).await;
    held.rollback().await.unwrap();
    assert_eq!(first.await.unwrap(), Ok(Receipt::New));
    assert_eq!(outcomes(others).await, [Ok(Receipt::New); 5]);
    assert_eq!([scene.hinted().await, scene.hinted().await], [1, 5]);
}

#[tokio::test]
async fn neither_an_answer_nor_a_hint_comes_before_the_commit() {
    let mut scene = Scene::new(Slots::SQLITE).await;
    let held = scene.db.begin().await.unwrap();
    let one = scene.begin("one").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(!one.is_finished() && scene.hints.0.is_empty());
    }
    held.rollback().await.unwrap();
    assert_eq!(one.await.unwrap(), Ok(Receipt::New));
    let row = scene.row("one").await.unwrap();
    assert_eq!(scene.hints.0.recv().await.unwrap().ids, [row]);
}

/// Once it is paused, the clock stands still for as long as a thread is busy: what waits for a time does not go on.
#[tokio::test]
async fn a_lone_webhook_is_committed_without_any_wait() {
    let scene = Scene::new(Slots::POSTGRES).await;
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || is_done.recv_timeout(Duration::from_secs(5)));
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let outcome = receive(&scene.writer, webhook("one"), in_ms(60_000)).await;
    assert_eq!(outcome, Ok(Receipt::New));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(done);
    busy.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_caller_that_goes_away_disturbs_nobody() {
    let scene = Scene::new(Slots::SQLITE).await;
    let held = scene.db.begin().await.unwrap();
    let committing = scene.hand_in("committing").await;
    let beside_it = scene.begin("beside it").await;
    let waiting = scene.hand_in("waiting").await;
    let behind_it = scene.hand_in("behind it").await;
    for goes in [committing, waiting] {
        goes.abort();
        assert!(goes.await.unwrap_err().is_cancelled());
    }
    held.rollback().await.unwrap();
    let stay = vec![beside_it, behind_it];
    assert_eq!(outcomes(stay).await, [Ok(Receipt::New); 2]);
    assert!(scene.row("committing").await.is_some());
    assert_eq!(scene.row("waiting").await, None, "it was told to come back");
}

#[tokio::test]
async fn an_error_of_the_database_is_told_to_the_whole_batch_and_to_no_other() {
    let mut scene = Scene::new(Slots::SQLITE).await;
    let held = scene.db.begin().await.unwrap();
    let first = scene.begin("first").await;
    let others = scene.hand_in_all(["a", "b", "c"]).await;
    let breaks = "ALTER TABLE outbox RENAME TO away";
    held.execute_unprepared(breaks).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(first.await.unwrap(), Err(NotCommitted::InTime));
    assert_eq!(outcomes(others).await, [Err(NotCommitted::InTime); 3]);
    assert!(scene.hints.0.is_empty());
    execute(&scene.db, "ALTER TABLE away RENAME TO outbox").await;
    let next = scene.hand_in("next").await;
    assert_eq!(next.await.unwrap(), Ok(Receipt::New));
    assert_eq!(scene.hinted().await, 1);
}

#[tokio::test]
async fn the_good_of_a_batch_do_not_suffer_for_one_that_the_database_refuses() {
    let mut scene = Scene::new(Slots::SQLITE).await;
    let refuses = "CREATE TRIGGER refuses BEFORE INSERT ON transactions WHEN NEW.transaction_id = 'bad' \
                   BEGIN SELECT RAISE(ABORT, 'no'); END";
    execute(&scene.db, refuses).await;
    let held = scene.db.begin().await.unwrap();
    let first = scene.begin("first").await;
    let batch = scene.hand_in_all(["a", "bad", "b"]).await;
    held.rollback().await.unwrap();
    let new = Ok(Receipt::New);
    assert_eq!(first.await.unwrap(), new);
    let refused = Err(NotCommitted::Refused);
    assert_eq!(outcomes(batch).await, [new, refused, new]);
    assert_eq!([scene.hinted().await, scene.hinted().await], [1, 2]);
}

#[tokio::test]
async fn the_writer_ends_after_its_last_commit_though_nobody_waits_for_that_and_the_hints_end_with_it()
 {
    // The second slot has it wait for another batch.
    let scene = Scene::new(Slots::POSTGRES).await;
    let held = scene.db.begin().await.unwrap();
    let last = scene.begin("last").await;
    let Scene {
        writer,
        run,
        mut hints,
        ..
    } = scene;
    drop(writer);
    last.abort();
    assert!(last.await.unwrap_err().is_cancelled());
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(!run.is_finished());
    }
    held.rollback().await.unwrap();
    run.await.unwrap();
    assert_eq!(hints.0.recv().await.unwrap().ids.len(), 1);
    assert!(hints.0.recv().await.is_none());
}

/// Commits have taken 400 ms of late.
fn is_slow(admission: &Admission) {
    admission.with(|controller, now| {
        for _ in 0..50 {
            controller.ended(now, now - Duration::from_millis(400));
        }
    });
}

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

#[tokio::test]
async fn a_webhook_whose_answer_would_be_late_is_refused_before_its_commit() {
    let scene = Scene::new(Slots::SQLITE).await;
    is_slow(&scene.admission);
    scene
        .admission
        .with(|controller, now| controller.begins(now));
    let late = receive(&scene.writer, webhook("late"), in_ms(250)).await;
    assert_eq!(late, Err(NotCommitted::TooMuch));
    let in_time = receive(&scene.writer, webhook("in time"), in_ms(450)).await;
    assert_eq!(in_time, Ok(Receipt::New));
    assert_eq!(scene.row("late").await, None);
}

#[tokio::test]
async fn a_late_webhook_is_committed_if_nothing_else_tells_how_the_database_is() {
    let scene = Scene::new(Slots::SQLITE).await;
    is_slow(&scene.admission);
    let late = receive(&scene.writer, webhook("late"), in_ms(250)).await;
    assert_eq!(late, Ok(Receipt::New));
}

#[tokio::test]
async fn whoever_waits_for_a_database_that_hangs_is_answered_in_time() {
    let scene = Scene::new(Slots::SQLITE).await;
    let held = scene.db.begin().await.unwrap();
    let due = in_ms(450);
    let outcome = receive(&scene.writer, webhook("one"), due).await;
    assert_eq!(outcome, Err(NotCommitted::InTime));
    let now = Instant::now();
    // On a busy machine a timer is late, too; the database hangs until the end.
    assert!((due..due + Duration::from_secs(5)).contains(&now));
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn far_more_than_one_batch_may_wait() {
    let scene = Scene::new(Slots::SQLITE).await;
    let held = scene.db.begin().await.unwrap();
    let many: Vec<_> = (0..600)
        .map(|n| {
            let writer = scene.writer.clone();
            tokio::spawn(async move { receive(&writer, webhook(&n.to_string()), in_ms(450)).await })
        })
        .collect();
    let start = Instant::now();
    while scene.writer.waiting() < 300 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "too few may wait"
        );
        tokio::task::yield_now().await;
    }
    held.rollback().await.unwrap();
    for one in many {
        assert_eq!(one.await.unwrap(), Ok(Receipt::New));
    }
}

fn event(source: &str, id: &str) -> Webhook {
    let source: SourceName = source.parse().unwrap();
    Webhook {
        source,
        transaction_id: id.parse().unwrap(),
        content: Content::Event(Box::new(Event {
            kind: None,
            fields: Fields::default(),
            payload: Payload {
                content_type: None,
                headers: None,
                body: id.as_bytes().to_vec(),
                sent_at: None,
            },
        })),
    }
}

fn events<'a>(ids: impl IntoIterator<Item = &'a str>) -> Group<Webhook> {
    Group::of(ids.into_iter().map(|id| event("sendgrid", id))).unwrap()
}

/// Hands in what one request brings.
fn hand_in_group(scene: &Scene, ids: &[&str]) -> JoinHandle<Result<Group<Receipt>, NotCommitted>> {
    let (writer, group) = (scene.writer.clone(), events(ids.iter().copied()));
    tokio::spawn(async move { (writer.receive(group, in_ms(60_000), &Arc::default(), None)).await })
}

#[tokio::test]
async fn what_one_request_brings_is_committed_together_and_each_gets_its_receipt() {
    let mut scene = Scene::new(Slots::SQLITE).await;
    let receipts = (scene
        .writer
        .receive(events(["b"]), in_ms(60_000), &Arc::default(), None))
    .await;
    assert_eq!(receipts, Ok(Group::one(Receipt::New)));
    let receipts = hand_in_group(&scene, &["a", "b", "c"])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(receipts.first, Receipt::New);
    assert!(matches!(
        receipts.rest[..],
        [
            Receipt::Duplicate {
                conflict: false,
                ..
            },
            Receipt::New
        ]
    ));
    assert_eq!([scene.hinted().await, scene.hinted().await], [1, 2]);
    let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let many = events(many.iter().map(String::as_str));
    let receipts = (scene
        .writer
        .receive(many, in_ms(60_000), &Arc::default(), None))
    .await
    .unwrap();
    assert_eq!(receipts.rest, vec![Receipt::New; 999]);
    assert_eq!(scene.hinted().await, 1000, "in one commit");
}

#[tokio::test]
async fn of_a_request_that_the_database_refuses_nothing_is_stored_and_others_do_not_suffer() {
    let mut scene = Scene::new(Slots::SQLITE).await;
    let refuses = "CREATE TRIGGER refuses BEFORE INSERT ON transactions WHEN NEW.transaction_id = 'bad' \
                   BEGIN SELECT RAISE(ABORT, 'no'); END";
    execute(&scene.db, refuses).await;
    let held = scene.db.begin().await.unwrap();
    let first = scene.begin("first").await;
    let lone = scene.hand_in("lone").await;
    let bad = hand_in_group(&scene, &["a", "bad", "b"]);
    let good = hand_in_group(&scene, &["c", "d"]);
    while scene.writer.waiting() < 6 {
        tokio::task::yield_now().await;
    }
    held.rollback().await.unwrap();
    assert_eq!(first.await.unwrap(), Ok(Receipt::New));
    assert_eq!(lone.await.unwrap(), Ok(Receipt::New));
    assert_eq!(bad.await.unwrap(), Err(NotCommitted::Refused));
    let new = Group {
        first: Receipt::New,
        rest: vec![Receipt::New],
    };
    assert_eq!(good.await.unwrap(), Ok(new));
    for (id, is_there) in [("a", false), ("b", false), ("c", true), ("d", true)] {
        let row = scene.row_of("sendgrid", id).await;
        assert_eq!(row.is_some(), is_there, "{id}");
    }
    assert_eq!([scene.hinted().await, scene.hinted().await], [1, 3]);
}

/// What becomes of a webhook at the door and behind it.
async fn send(writer: Writer, admission: Admission, webhook: Webhook) -> Outcome {
    let lane = Lane::of(webhook.source.as_ref());
    match admission.admits(lane, writer.ahead(lane)) {
        true => receive(&writer, webhook, in_ms(450)).await,
        false => Err(NotCommitted::TooMuch),
    }
}

/// The database is slow: each commit takes 60 ms. One source sends far more than can be committed, at every moment.
#[tokio::test]
async fn a_flood_of_one_source_leaves_the_others_their_time() {
    const COMMIT: Duration = Duration::from_millis(60);
    let scene = Scene::new(Slots::SQLITE).await;
    let db = scene.db.clone();
    let slow = tokio::spawn(async move {
        loop {
            let held = db.begin().await.unwrap();
            tokio::time::sleep(COMMIT).await;
            held.rollback().await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let send = |webhook| {
        let (writer, admission) = (scene.writer.clone(), scene.admission.clone());
        tokio::spawn(send(writer, admission, webhook))
    };
    let mut flooded = Vec::new();
    for n in 0..15 {
        flooded.extend((0..1500).map(|m| send(webhook(&format!("flood {n} {m}")))));
        let begun = Instant::now();
        let outcome = send(event("stripe", &format!("evt_{n}"))).await.unwrap();
        assert_eq!(outcome, Ok(Receipt::New), "{n}: {:?}", begun.elapsed());
    }
    slow.abort();
    let mut turned_away = 0;
    for one in flooded {
        turned_away += usize::from(one.await.unwrap() != Ok(Receipt::New));
    }
    assert!(turned_away > 5000, "it was no flood: {turned_away}");
}
