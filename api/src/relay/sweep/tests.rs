//! Looks, one by one, on SQLite.

use entity::{lifecycle, outbox, retry};
use queue::memory;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _};

use super::*;
use crate::scene::{database, entry, retry};

const QUARTER: Duration = lifecycle::LOOK_AGAIN_IN;

struct Scene {
    db: DatabaseConnection,
    sweep: Sweep,
}

impl Scene {
    /// A relay whose queue has been there all along.
    async fn new() -> Self {
        let db = database().await;
        Self {
            sweep: sweep(&db),
            db,
        }
    }

    async fn look(&mut self, ready: usize) -> Found {
        self.sweep.look(ready).await.unwrap()
    }

    /// All that is found in the end, while nothing waits in the queue.
    async fn all(&mut self) -> Vec<Uuid> {
        let mut all = Vec::new();
        loop {
            let found = self.look(0).await;
            all.extend(found.entries);
            if !found.more {
                all.sort();
                return all;
            }
        }
    }
}

fn sweep(db: &DatabaseConnection) -> Sweep {
    let mut sweep = Sweep::new(db, &Queue::Memory(memory::Queue::new()));
    sweep.embedded = false;
    sweep
}

#[tokio::test]
async fn what_is_due_is_found_once_and_what_is_not_is_left_alone() {
    let mut scene = Scene::new().await;
    let due = entry(&scene.db, DUE_IN * 2, Duration::ZERO).await;
    entry(&scene.db, DUE_IN * 2, QUARTER).await;
    assert_eq!(scene.all().await, [due]);
    assert!(scene.all().await.is_empty());
}

#[tokio::test]
async fn retries_are_found_under_any_backlog() {
    let mut scene = Scene::new().await;
    let recent = retry(&scene.db, 0).await;
    // From before anybody looked: longer ago than an ordinary look reaches.
    let old = retry(&scene.db, 3_600_000).await;
    let found = scene.look(usize::MAX).await.retries;
    let mut found: Vec<Uuid> = found.iter().map(|claimed| claimed.id).collect();
    found.sort();
    let mut both = [recent, old];
    both.sort();
    assert_eq!(found, both);
}

#[tokio::test]
async fn what_has_just_been_lost_is_found_under_any_backlog_and_what_may_be_in_it_is_not() {
    let mut scene = Scene::new().await;
    let lost = entry(&scene.db, DUE_IN * 2, Duration::ZERO).await;
    // Published long ago, and due because a quarter of an hour has passed: it may still wait there.
    let published = entry(&scene.db, QUARTER * 8, Duration::ZERO).await;
    assert_eq!(scene.look(BACKLOG_MAX + 1).await.entries, [lost]);
    assert!(scene.look(BACKLOG_MAX + 1).await.entries.is_empty());
    assert_eq!(scene.look(BACKLOG_MAX).await.entries, [published]);
}

#[tokio::test]
async fn what_was_not_published_after_all_is_found_again() {
    let mut scene = Scene::new().await;
    let id = entry(&scene.db, DUE_IN * 2, Duration::ZERO).await;
    assert_eq!(scene.look(usize::MAX).await.entries, [id]);
    scene
        .db
        .execute_unprepared("UPDATE outbox SET due_at = 0")
        .await
        .unwrap();
    assert!(scene.look(usize::MAX).await.entries.is_empty());
    scene.sweep.missed(&[id]);
    assert_eq!(scene.look(usize::MAX).await.entries, [id]);
}

#[tokio::test]
async fn a_queue_that_is_new_gets_everything_under_any_backlog() {
    let mut scene = Scene::new().await;
    let old = entry(&scene.db, QUARTER * 8, QUARTER).await;
    let recent = entry(&scene.db, DUE_IN * 2, QUARTER).await;
    assert!(scene.all().await.is_empty());
    scene.sweep.queue_is_new();
    assert_eq!(scene.look(usize::MAX).await.entries, [old, recent]);
    assert!(!scene.look(usize::MAX).await.more);
    // And other relays hear of it.
    let mut other = sweep(&scene.db);
    scene
        .db
        .execute_unprepared("UPDATE outbox SET due_at = due_at + 600000")
        .await
        .unwrap();
    // What they have confirmed before must not be noted any more, so first they stop that.
    let heard = other.look(usize::MAX).await.unwrap();
    assert!(heard.queue_is_new && heard.more && heard.entries.is_empty());
    assert_eq!(other.look(usize::MAX).await.unwrap().entries, [old, recent]);
}

#[tokio::test]
async fn what_the_broker_has_lost_is_found_by_each_walk_anew() {
    let mut scene = Scene::new().await;
    let id = entry(&scene.db, QUARTER * 8, QUARTER).await;
    for _ in 0..3 {
        // However long a look takes, and whatever has come meanwhile.
        for _ in 0..3 {
            assert!(scene.look(0).await.entries.is_empty());
            entry(&scene.db, Duration::ZERO, QUARTER).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lost = "UPDATE outbox SET due_at = 0 WHERE id = (SELECT min(id) FROM outbox)";
        scene.db.execute_unprepared(lost).await.unwrap();
        let mut found = scene.look(0).await.entries;
        found.extend(scene.look(0).await.entries);
        assert_eq!(found, [id]);
    }
}

#[tokio::test]
async fn a_queue_that_a_consumer_had_to_create_gets_everything() {
    let mut scene = Scene::new().await;
    let id = entry(&scene.db, QUARTER * 8, QUARTER).await;
    assert!(scene.all().await.is_empty());
    due::queue_created(&scene.db, &scene.sweep.queue)
        .await
        .unwrap();
    assert_eq!(scene.all().await, [id]);
    assert!(scene.all().await.is_empty());
}

#[tokio::test]
async fn what_a_process_with_another_queue_has_left_is_published_to_ours() {
    let mut scene = Scene::new().await;
    due::queue_created(&scene.db, &scene.sweep.queue)
        .await
        .unwrap();
    let hour_ago = "UPDATE queues SET created_at = created_at - 3600000";
    scene.db.execute_unprepared(hour_ago).await.unwrap();
    due::queue_created(&scene.db, "another").await.unwrap();
    let half_an_hour_ago =
        "UPDATE queues SET created_at = created_at - 1800000 WHERE name = 'another'";
    scene.db.execute_unprepared(half_an_hour_ago).await.unwrap();
    let id = entry(&scene.db, QUARTER * 8, QUARTER).await;
    assert_eq!(scene.all().await, [id]);
    // Once: our queue has it now.
    let mut next = sweep(&scene.db);
    let published = "UPDATE outbox SET due_at = due_at + 600000";
    scene.db.execute_unprepared(published).await.unwrap();
    let long_ago = "UPDATE queues SET created_at = created_at - 7200000";
    scene.db.execute_unprepared(long_ago).await.unwrap();
    assert!(next.look(0).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn the_queue_inside_the_process_is_filled_as_it_empties() {
    let mut scene = Scene::new().await;
    scene.sweep.embedded = true;
    let id = entry(&scene.db, DUE_IN / 2, DUE_IN).await;
    scene.sweep.queue_is_new();
    assert!(
        scene
            .look(RECOVERY_BACKLOG_MAX + 1)
            .await
            .entries
            .is_empty()
    );
    assert_eq!(scene.look(0).await.entries, [id]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_noticed_and_waits_begin_anew() {
    let mut scene = Scene::new().await;
    let id = retry(&scene.db, -1000).await;
    scene.look(0).await;
    assert!(scene.sweep.shortening.is_none());
    // An hour back: what the clock said then, and what was set by it, is ahead of it now.
    let ahead = "UPDATE retries SET due_at = due_at + 3600000, set_at = set_at + 3600000";
    scene.db.execute_unprepared(ahead).await.unwrap();
    let (before, at) = scene.sweep.clock.unwrap();
    scene.sweep.clock = Some((before + 3_600_000, at));
    scene.look(0).await;
    let row = retry::Entity::find_by_id(id)
        .one(&scene.db)
        .await
        .unwrap()
        .unwrap();
    let wait = row.due_at - Pass::now() as i64;
    assert!(wait <= 2000, "{wait} ms");
}

#[tokio::test]
async fn a_look_costs_what_is_due_and_not_what_there_is() {
    let mut scene = Scene::new().await;
    let many = "INSERT INTO outbox (id, due_at) \
                WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000) \
                SELECT unhex(printf('018f%028x', n)), 9000000000000 FROM n";
    scene.db.execute_unprepared(many).await.unwrap();
    // Ahead by more than anything is ever set: as after a clock that was set back, so all of them are claimed, but each look
    // claims no more than it may.
    let found = scene.look(0).await;
    assert_eq!(found.entries.len() as u64, CLAIM_MAX);
    assert!(found.more);
    let count = outbox::Entity::find().count(&scene.db).await.unwrap();
    assert_eq!(count, 20_000);
}
