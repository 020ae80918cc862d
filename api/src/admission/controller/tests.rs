//! A group commit in small, stepped by the millisecond: arrivals come in, batches take as long as the test says.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{ANSWER_WITHIN, Controller, ONE_IN};
use crate::{
    lane::{Ahead, Lane},
    slots::{BATCH_MAX, Slots},
};

const MS: Duration = Duration::from_millis(1);
const SLOTS: Slots = Slots::POSTGRES;

struct World {
    controller: Controller,
    now: Instant,
    /// How long a commit takes.
    commit: Duration,
    queue: VecDeque<Instant>,
    /// When each commit under way began and ends, and whom it will answer.
    under_way: Vec<(Instant, Instant, Vec<Instant>)>,
    /// Since the last [`World::told`].
    told: Told,
}

/// Asks for one of the only source there is.
fn admits(controller: &mut Controller, now: Instant, waiting: usize) -> bool {
    controller.admit(now, Lane::BUILT_IN, Ahead::of(waiting))
}

/// What became of the webhooks.
#[derive(Clone, Debug, Default)]
struct Told {
    came: usize,
    shed: usize,
    /// Admitted, and shed when their turn came.
    late: usize,
    committed: usize,
    /// The longest time from arrival to answer.
    slowest: Duration,
}

impl World {
    fn new(commit: Duration) -> Self {
        let now = Instant::now();
        Self {
            controller: Controller::new(now, SLOTS),
            now,
            commit,
            queue: VecDeque::new(),
            under_way: Vec::new(),
            told: Told::default(),
        }
    }

    /// Lets `per_ms` webhooks arrive in each millisecond of `time`, and says what became of whom since.
    fn run(&mut self, time: Duration, per_ms: usize) -> Told {
        let until = self.now + time;
        while self.now < until {
            self.now += MS;
            self.end_commits();
            for _ in 0..per_ms {
                self.told.came += 1;
                if admits(&mut self.controller, self.now, self.queue.len()) {
                    self.queue.push_back(self.now);
                } else {
                    self.told.shed += 1;
                }
            }
            while self.has_slot() && !self.queue.is_empty() {
                self.begin_commit();
            }
        }
        std::mem::take(&mut self.told)
    }

    fn has_slot(&self) -> bool {
        let last = self.under_way.last().map(|(began, ..)| self.now - *began);
        self.under_way.len() < SLOTS.count
            || self.under_way.len() < SLOTS.most && last >= Some(Slots::WAIT_MAX)
    }

    fn end_commits(&mut self) {
        let now = self.now;
        for (began, _, batch) in self.under_way.extract_if(.., |(_, ends, _)| *ends <= now) {
            self.controller.ended(now, began);
            for arrived in batch {
                self.told.committed += 1;
                self.told.slowest = self.told.slowest.max(now - arrived);
            }
        }
    }

    fn begin_commit(&mut self) {
        let count = self.queue.len().min(BATCH_MAX);
        let mut batch: Vec<Instant> = self.queue.drain(..count).collect();
        self.controller.taken(self.now, self.now - batch[count - 1]);
        let last = batch.last().copied();
        batch.retain(|at| !self.controller.is_too_late(self.now, *at + ANSWER_WITHIN));
        if batch.is_empty() && self.controller.must_try(self.now) {
            batch.extend(last);
        }
        self.told.late += count - batch.len();
        if !batch.is_empty() {
            self.controller.begins(self.now);
            let ends = self.now + self.commit;
            self.under_way.push((self.now, ends, batch));
        }
    }
}

/// Webhooks per millisecond that can be carried if a commit takes so long.
fn carried(commit: Duration) -> usize {
    let of_slots = (commit / SLOTS.count as u32).min(Slots::WAIT_MAX);
    let every = of_slots.max(commit / SLOTS.most as u32);
    (BATCH_MAX as f64 * 0.001 / every.as_secs_f64()) as usize
}

#[test]
fn a_burst_is_admitted_as_a_whole() {
    let mut world = World::new(25 * MS);
    let mut told = world.run(50 * MS, 40);
    assert_eq!(told.came, 2000);
    assert_eq!(told.shed, 0, "{told:?}");
    told = world.run(300 * MS, 0);
    assert_eq!(told.late, 0, "{told:?}");
    assert!(world.queue.is_empty() && world.under_way.is_empty());
}

#[test]
fn a_load_that_can_be_carried_is_admitted_however_long_a_commit_takes() {
    for commit in [1, 20, 80, 150] {
        let mut world = World::new(commit * MS);
        world.run(Duration::from_secs(3), 1);
        let told = world.run(Duration::from_secs(3), carried(commit * MS) * 8 / 10);
        assert_eq!(told.shed + told.late, 0, "{commit} ms: {told:?}");
        assert!(told.slowest <= ANSWER_WITHIN, "{commit} ms: {told:?}");
    }
}

#[test]
fn a_queue_that_stands_makes_the_waits_short() {
    let mut world = World::new(20 * MS);
    let rate = 2 * carried(20 * MS);
    let burst = world.run(200 * MS, rate);
    assert_eq!(burst.shed, 0, "{burst:?}");
    let burst = world.run(300 * MS, 0);
    assert!(burst.slowest > 150 * MS, "it may use the time: {burst:?}");
    world.run(Duration::from_secs(1), rate);
    let told = world.run(Duration::from_secs(5), rate);
    assert!(told.slowest <= 150 * MS, "{told:?}");
    assert_eq!(told.late, 0, "{told:?}");
}

#[test]
fn under_overload_as_many_are_committed_as_can_be() {
    for commit in [1, 20, 80, 200] {
        for times in [2, 4] {
            let mut world = World::new(commit * MS);
            let carried = carried(commit * MS);
            let time = commit.clamp(5, 20) * 500 * MS;
            world.run(time / 4, times * carried);
            let told = world.run(time, times * carried);
            let possible = carried as f64 * time.as_millis() as f64;
            let part = told.committed as f64 / possible;
            assert!(part >= 0.85, "{commit} ms, {times} times: {part} {told:?}");
            assert!(told.slowest <= ANSWER_WITHIN, "{commit} ms: {told:?}");
        }
    }
}

#[test]
fn one_in_each_100_ms_is_admitted_whatever_the_estimate_says() {
    let mut world = World::new(Duration::from_secs(3600));
    world.run(Duration::from_secs(5), 10);
    let told = world.run(Duration::from_secs(5), 10);
    let admitted = told.came - told.shed;
    assert_eq!(admitted, 5000 / ONE_IN.as_millis() as usize, "{told:?}");
}

#[test]
fn a_database_that_has_hung_is_used_to_the_full_soon_after_it_is_back() {
    let mut world = World::new(10 * MS);
    let rate = carried(10 * MS) * 8 / 10;
    world.run(Duration::from_secs(2), rate);
    world.commit = Duration::from_secs(5);
    let hung = world.run(Duration::from_secs(6), rate);
    assert!(hung.shed > hung.came / 2, "{hung:?}");
    // Whoever waited for it has long been answered by the backstop.
    world.queue.clear();
    world.commit = 10 * MS;
    for (_, ends, _) in &mut world.under_way {
        *ends = world.now;
    }
    world.run(Duration::from_secs(3), rate);
    let told = world.run(Duration::from_secs(1), rate);
    assert_eq!(told.shed + told.late, 0, "{told:?}");
}

/// A failover without a word: commits on the old connections hang until they are given up, and those on new ones do not.
#[test]
fn those_that_still_hang_say_nothing_about_a_database_that_does_not() {
    let mut world = World::new(10 * MS);
    world.run(Duration::from_secs(2), 1);
    world.commit = Duration::from_secs(6);
    // One after the other, so that all places are taken in the end.
    for _ in 0..SLOTS.most + 2 {
        world.run(MS, 1);
        world.run(449 * MS, 0);
    }
    world.queue.clear();
    assert!(world.under_way.len() > SLOTS.most / 2);
    world.commit = 10 * MS;
    world.run(Duration::from_secs(1), 1);
    let told = world.run(Duration::from_secs(2), 1);
    assert_eq!(told.shed + told.late, 0, "{told:?}");
}

#[test]
fn a_commit_too_slow_for_any_answer_is_tried_all_the_same() {
    let mut world = World::new(600 * MS);
    world.run(Duration::from_secs(20), 10);
    let slow = world.run(Duration::from_secs(10), 10);
    assert!(slow.committed > 5, "{slow:?}");
    world.commit = 10 * MS;
    world.run(Duration::from_secs(4), 10);
    let told = world.run(Duration::from_secs(1), 10);
    assert_eq!(told.shed + told.late, 0, "{told:?}");
}

#[test]
fn a_late_thread_counts_as_time_that_has_passed() {
    let start = Instant::now();
    let mut controller = Controller::new(start, SLOTS);
    let mut at = |lag: Duration| {
        controller.threads().probe_left(start);
        let now = start + lag;
        // The one that is always let in must not be in the way.
        controller.admitted = Some(now);
        admits(&mut controller, now, 0)
    };
    assert!(at(ANSWER_WITHIN - 20 * MS));
    assert!(!at(ANSWER_WITHIN));
}

#[test]
fn a_body_that_comes_later_is_its_senders_time_but_for_two_lags() {
    let start = Instant::now();
    let mut controller = Controller::new(start, SLOTS);
    controller.threads().probe_left(start);
    controller.threads().probe_is_back(start + 30 * MS);
    let now = start + 200 * MS;
    // The answer waits for a thread as well.
    let within = ANSWER_WITHIN - 30 * MS;
    let due = |asked| controller.due(asked, now);
    assert_eq!(due(now), now - 30 * MS + within);
    assert_eq!(due(now - 20 * MS), now - 50 * MS + within);
    assert_eq!(due(now - 150 * MS), now - 60 * MS + within);
}

#[test]
fn what_is_shed_is_answered_in_time_however_late_the_threads_are() {
    for lag in [50, 150, 200, 300] {
        let start = Instant::now();
        let mut controller = Controller::new(start, SLOTS);
        let mut now = start;
        for _ in 0..100 {
            now += 5 * MS;
            controller.threads().probe_left(now - lag * MS);
            controller.threads().probe_is_back(now);
        }
        let hold = controller.hold(now);
        assert!(hold > Duration::ZERO || 2 * lag * MS >= ANSWER_WITHIN);
        assert!(hold.is_zero() || 2 * lag * MS + hold <= ANSWER_WITHIN);
    }
}

/// A flush takes 200 ms, and the next begins as soon as it has ended: a commit waits for the end of one and for the whole
/// of another. Everybody waits for two at most, however few come.
#[test]
fn commits_that_share_slow_flushes_do_not_wait_for_each_other() {
    const FLUSH: Duration = Duration::from_millis(200);
    let mut world = World::new(FLUSH);
    let start = world.now;
    let mut run = |seconds: u64| {
        let mut all = Told::default();
        for _ in 0..seconds * 1000 {
            let flushed = (world.now - start).as_millis() % FLUSH.as_millis();
            world.commit = 2 * FLUSH - Duration::from_millis(flushed as u64);
            let told = world.run(MS, usize::from(flushed.is_multiple_of(3)));
            all.came += told.came;
            all.shed += told.shed + told.late;
            all.slowest = all.slowest.max(told.slowest);
        }
        all
    };
    run(5);
    let told = run(20);
    assert!(told.shed * 20 < told.came, "{told:?}");
    assert!(told.slowest <= ANSWER_WITHIN, "{told:?}");
}

#[test]
fn senders_come_back_at_different_times_and_later_while_most_are_shed() {
    let start = Instant::now();
    let mut controller = Controller::new(start, SLOTS);
    assert_eq!(controller.retry_after(), 1..=3);
    for n in 0..300 {
        controller.shed.count(start + n * MS, n % 10 != 0);
    }
    assert_eq!(controller.retry_after(), 5..=5);
    for n in 300..600 {
        controller.shed.count(start + n * MS, n % 10 == 0);
    }
    assert_eq!(controller.retry_after(), 1..=3);
}

#[test]
fn a_source_that_floods_waits_for_itself_and_others_for_the_next_commit() {
    let start = Instant::now();
    let mut controller = Controller::new(start, SLOTS);
    for _ in 0..50 {
        controller.ended(start, start - 40 * MS);
    }
    // The one that is always let in must not be in the way.
    controller.admitted = Some(start);
    controller.begins(start);
    controller.begins(start);
    let queue = 40 * BATCH_MAX;
    let flood = Ahead::of(queue);
    assert!(!controller.admit(start, Lane::BUILT_IN, flood));
    let beside_it = Ahead { all: 0, own: 0 };
    assert!(controller.admit(start, Lane::UNKNOWN, beside_it));
}
