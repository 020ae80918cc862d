//! The relay step by step, on SQLite and the queue inside the process.

use entity::lifecycle::LOOK_AGAIN_IN;
use queue::memory;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    relay::{self, HintSender, hints::channel},
    scene::{database, due_in, entry, execute, retry},
};

/// Long enough that the frontier passes it.
const AGE: Duration = Duration::from_secs(20);
/// What is published is not due again for nearly as long as this.
const NOTED_MS: i64 = LOOK_AGAIN_IN.as_millis() as i64 - 60_000;
/// With more in the queue, the walk claims nothing.
const BACKLOG: usize = 10_001;
const SHORT: Settings = Settings {
    sweep_every: Duration::from_millis(1),
    publish_every: Duration::from_millis(1),
    note_after: Duration::ZERO,
};

struct Scene {
    db: DatabaseConnection,
    queue: Queue,
    sender: HintSender,
    hints: HintReceiver,
}

impl Scene {
    /// With a queue that nobody has had yet.
    async fn with_new_queue() -> Self {
        let (sender, hints) = channel();
        Self {
            db: database().await,
            queue: Queue::Memory(memory::Queue::new()),
            sender,
            hints,
        }
    }

    /// With a queue that has been there all along.
    async fn new() -> Self {
        let scene = Self::with_new_queue().await;
        drop(scene.queue.publisher().await);
        scene
    }

    fn state(&self) -> State {
        State::new(SHORT, &self.db, &self.queue, Default::default())
    }

    async fn session<'a>(&self, state: &'a mut State) -> Session<'a> {
        Session::new(self.queue.publisher().await.unwrap(), state)
    }

    /// Makes one step, and those until a look that has begun is over: it has the only connection.
    async fn step(&mut self, session: &mut Session<'_>) {
        loop {
            let step = session.step(&mut self.hints);
            let step = tokio::time::timeout(Duration::from_secs(10), step);
            step.await.expect("nothing happens").unwrap();
            if session.looking.is_none() {
                return;
            }
        }
    }

    /// Steps until so many wait in the queue.
    async fn step_until_ready(&mut self, session: &mut Session<'_>, ready: usize) {
        let start = Instant::now();
        while self.ready().await != ready {
            let found = self.ready().await;
            assert!(start.elapsed() < Duration::from_secs(10), "{found} wait");
            self.step(session).await;
        }
    }

    async fn step_until_noted(&mut self, session: &mut Session<'_>, id: Uuid) {
        let start = Instant::now();
        while due_in(&self.db, id).await < NOTED_MS {
            assert!(start.elapsed() < Duration::from_secs(10), "it is not noted");
            self.step(session).await;
        }
    }

    /// Steps until all that was published is confirmed and its note is made, or lost.
    async fn step_until_idle(&mut self, session: &mut Session<'_>) {
        while session.is_busy() {
            self.step(session).await;
        }
    }

    async fn ready(&self) -> usize {
        self.queue.depth().await.unwrap().ready
    }

    /// Puts so many into the queue that the walk rests.
    async fn pile_up(&self) {
        let mut publisher = self.queue.publisher().await.unwrap();
        publisher
            .publish(&vec![Uuid::max(); BACKLOG])
            .await
            .unwrap();
    }

    /// Those that wait in the queue, which are not many.
    async fn delivered(&self) -> Vec<Uuid> {
        let mut deliveries = self.queue.deliveries(100);
        let delivered = deliveries.next().await;
        delivered.iter().map(|delivery| delivery.id).collect()
    }

    /// Commits one that a session loses as `lose` says, and makes sure that the next look at what is due finds it, though
    /// the sweep has passed it by then and the walk rests.
    async fn is_found_after(&mut self, lose: impl AsyncFnOnce(&mut Self, &mut Session<'_>, Uuid)) {
        self.pile_up().await;
        let mut state = self.state();
        let passed = entry(&self.db, AGE * 2, Duration::ZERO).await;
        let id = entry(&self.db, AGE, LOOK_AGAIN_IN).await;
        let mut session = self.session(&mut state).await;
        self.step_until_ready(&mut session, BACKLOG + 1).await;
        self.step_until_noted(&mut session, passed).await;
        lose(self, &mut session, id).await;
        session.leave().await;
        let before = self.ready().await;
        execute(&self.db, "UPDATE outbox SET due_at = 0").await;
        let mut session = self.session(&mut state).await;
        self.step_until_ready(&mut session, before + 1).await;
        self.step_until_noted(&mut session, id).await;
        assert!(due_in(&self.db, passed).await < 0, "nobody has lost it");
    }
}

#[tokio::test]
async fn what_is_hinted_at_is_published_and_noted() {
    let mut scene = Scene::new().await;
    let mut state = scene.state();
    let mut session = scene.session(&mut state).await;
    let id = entry(&scene.db, Duration::ZERO, DUE_IN).await;
    scene.sender.send(vec![id]);
    scene.step_until_noted(&mut session, id).await;
    assert_eq!(scene.delivered().await, [id]);
}

#[tokio::test]
async fn what_finds_no_room_in_the_queue_is_found_when_it_is_due() {
    let mut scene = Scene::new().await;
    let no_room = async |scene: &mut Scene, session: &mut Session<'_>, id| {
        let mut too_many = vec![Uuid::max(); 1_000_000];
        too_many.push(id);
        scene.sender.send(too_many);
        while !scene.hints.0.is_empty() {
            scene.step(session).await;
        }
        assert_eq!(scene.ready().await, BACKLOG + 1);
    };
    scene.is_found_after(no_room).await;
}

#[tokio::test]
async fn a_hint_that_has_waited_too_long_is_left_to_the_sweep() {
    let mut scene = Scene::new().await;
    let late = async |scene: &mut Scene, session: &mut Session<'_>, id| {
        session.batch.push(Hint {
            ids: vec![id],
            committed: Instant::now().checked_sub(DUE_IN).unwrap(),
        });
        session.publish_hints().await.unwrap();
        assert_eq!(scene.ready().await, BACKLOG + 1);
    };
    scene.is_found_after(late).await;
}

#[tokio::test]
async fn what_a_publisher_has_not_confirmed_is_published_by_the_next() {
    let mut scene = Scene::new().await;
    let unconfirmed = async |_: &mut Scene, session: &mut Session<'_>, id| {
        session.hand_over(&[id]).await.unwrap();
        assert_eq!(session.publisher.unconfirmed(), 1);
    };
    scene.is_found_after(unconfirmed).await;
}

#[tokio::test]
async fn a_hint_that_finds_no_room_is_dropped_and_the_sweep_finds_its_id() {
    let mut scene = Scene::new().await;
    let mut state = scene.state();
    let room = scene.hints.0.capacity();
    for _ in 0..room {
        scene.sender.send(vec![Uuid::max()]);
    }
    let id = entry(&scene.db, AGE, Duration::ZERO).await;
    scene.sender.send(vec![id]);
    assert_eq!(scene.hints.0.len(), room);
    let mut session = scene.session(&mut state).await;
    scene.step_until_noted(&mut session, id).await;
}

#[tokio::test]
async fn a_retry_is_published_and_noted_at_once_under_any_backlog() {
    let mut scene = Scene::new().await;
    scene.pile_up().await;
    let mut state = scene.state();
    state.notes = Notes::new(&scene.db, LOOK_AGAIN_IN);
    let id = retry(&scene.db, 0).await;
    let mut session = scene.session(&mut state).await;
    scene.step_until_noted(&mut session, id).await;
    assert_eq!(scene.ready().await, BACKLOG + 1);
}

#[tokio::test]
async fn whoever_says_that_retries_are_due_need_not_wait_for_the_next_look() {
    let mut scene = Scene::new().await;
    let mut state = scene.state();
    state.settings.sweep_every = Duration::from_secs(3600);
    let first = retry(&scene.db, 0).await;
    let mut session = scene.session(&mut state).await;
    scene.step_until_noted(&mut session, first).await;
    let missed = entry(&scene.db, AGE, Duration::ZERO).await;
    let second = retry(&scene.db, 0).await;
    scene.sender.nudge().give();
    scene.step_until_noted(&mut session, second).await;
    // That was a look for nothing else.
    assert!(due_in(&scene.db, missed).await <= 0);
}

#[tokio::test]
async fn a_new_queue_gets_everything_and_then_the_walk_goes_on() {
    let mut scene = Scene::with_new_queue().await;
    let mut state = scene.state();
    let mut ids = Vec::new();
    for age in [Duration::from_secs(3600), AGE, DUE_IN / 2] {
        ids.push(entry(&scene.db, age, LOOK_AGAIN_IN).await);
    }
    let mut session = scene.session(&mut state).await;
    scene.step_until_ready(&mut session, ids.len()).await;
    scene.step_until_idle(&mut session).await;
    assert_eq!(scene.delivered().await, ids);
    // Only the walk finds what is older than the frontier, and it rests until the recovery has ended.
    execute(&scene.db, "UPDATE outbox SET due_at = 0").await;
    scene.step_until_noted(&mut session, ids[0]).await;
}

#[tokio::test]
async fn what_could_not_be_noted_is_published_again_and_noted_then() {
    let mut scene = Scene::new().await;
    let mut state = scene.state();
    let mut session = scene.session(&mut state).await;
    let id = entry(&scene.db, AGE, DUE_IN).await;
    let no_notes =
        "CREATE TRIGGER no_notes BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END";
    execute(&scene.db, no_notes).await;
    scene.sender.send(vec![id]);
    scene.step_until_ready(&mut session, 1).await;
    scene.step_until_idle(&mut session).await;
    let due = due_in(&scene.db, id).await;
    assert!((0..=DUE_IN.as_millis() as i64).contains(&due), "{due} ms");
    execute(
        &scene.db,
        "DROP TRIGGER no_notes; UPDATE outbox SET due_at = 0",
    )
    .await;
    scene.step_until_noted(&mut session, id).await;
    assert_eq!(scene.delivered().await, [id, id]);
}

#[tokio::test]
async fn what_comes_back_from_its_consumers_too_often_is_published_again_later() {
    let mut scene = Scene::new().await;
    let mut state = scene.state();
    let mut session = scene.session(&mut state).await;
    let id = entry(&scene.db, Duration::ZERO, DUE_IN).await;
    scene.sender.send(vec![id]);
    scene.step_until_noted(&mut session, id).await;
    while scene.ready().await > 0 {
        scene.delivered().await;
    }
    while due_in(&scene.db, id).await > NOTED_MS {
        scene.step(&mut session).await;
    }
    let due = due_in(&scene.db, id).await;
    assert!((0..=DUE_IN.as_millis() as i64).contains(&due), "{due} ms");
}

#[tokio::test]
async fn a_stop_cuts_nothing_short_and_the_last_hints_are_published_and_noted() {
    let scene = Scene::new().await;
    let first = entry(&scene.db, Duration::ZERO, DUE_IN).await;
    let last = entry(&scene.db, Duration::ZERO, DUE_IN).await;
    let resources = relay::Resources {
        db: scene.db.clone(),
        queue: scene.queue.clone(),
        hints: scene.hints,
        registry: Default::default(),
        tracer: Default::default(),
    };
    let settings = Settings {
        note_after: LOOK_AGAIN_IN,
        ..SHORT
    };
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay::run(settings, resources, stop.clone()));
    scene.sender.send(vec![first]);
    while scene.queue.depth().await.unwrap().ready == 0 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    scene.sender.send(vec![last]);
    drop(scene.sender);
    let ended = tokio::time::timeout(Duration::from_secs(10), relay).await;
    ended.expect("it goes on").unwrap();
    assert_eq!(scene.queue.depth().await.unwrap().ready, 2);
    for id in [first, last] {
        assert!(due_in(&scene.db, id).await > NOTED_MS);
    }
}
