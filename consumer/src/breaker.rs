//! Whether to take more work. While the far side is down every attempt would fail, and a transaction has
//! only so many: so after a few failures in a row nothing more is begun, but for one attempt now and then
//! that finds out whether the far side is back.
//!
//! Pure state: time comes in as an argument, and no task runs.

use std::time::Duration;

use entity::{Outcome, lifecycle::Attempt};
use queue::Backoff;
use tokio::time::Instant;
use uuid::Uuid;

/// Failures in a row, with nothing good between them, after which the far side is believed to be down.
const TRIP: u32 = 5;
/// How long it is left alone at first.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// How long it is left alone between two probes, at most: how late we notice that it is back.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How much may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Everything.
    Open,
    /// One transaction, as a probe.
    One,
    /// Nothing.
    Shut {
        /// When to ask again; `None`: when the outcome of the probe under way has been heard.
        until: Option<Instant>,
    },
}

pub(crate) struct Breaker(State);

enum State {
    Open {
        failures: u32,
        /// What began earlier tells of the outage before and is not counted; `None`: there was none.
        since: Option<Instant>,
    },
    Shut(Shut),
}

struct Shut {
    began: Instant,
    until: Instant,
    backoff: Backoff,
    /// The transaction whose attempt is the probe under way.
    probe: Option<Uuid>,
}

impl Breaker {
    /// Lets everything through.
    pub(crate) fn new() -> Self {
        Self(State::Open {
            failures: 0,
            since: None,
        })
    }

    /// How much may be begun now.
    pub(crate) fn gate(&self, now: Instant) -> Gate {
        match &self.0 {
            State::Open { .. } => Gate::Open,
            State::Shut(Shut { probe: Some(_), .. }) => Gate::Shut { until: None },
            State::Shut(shut) if now < shut.until => Gate::Shut {
                until: Some(shut.until),
            },
            State::Shut(_) => Gate::One,
        }
    }

    /// An attempt at this transaction has begun: the probe, if one was called for. Anything else that
    /// begins while the gate is shut was on its way already, and what becomes of it counts for nothing.
    pub(crate) fn started(&mut self, id: Uuid, now: Instant) {
        if let State::Shut(shut) = &mut self.0
            && shut.probe.is_none()
            && now >= shut.until
        {
            shut.probe = Some(id);
        }
    }

    /// What is at work was given up: nobody will hear of the probe, if that was among it.
    pub(crate) fn abandoned(&mut self) {
        if let State::Shut(shut) = &mut self.0 {
            shut.probe = None;
        }
    }

    /// An attempt has ended.
    pub(crate) fn heard(&mut self, attempt: &Attempt, now: Instant) {
        match &mut self.0 {
            State::Open { failures, since } => {
                let began = now.checked_sub(attempt.took);
                let is_late = since.is_some_and(|since| began.is_none_or(|began| began < since));
                match attempt.outcome {
                    Outcome::Failed if !is_late => *failures += 1,
                    Outcome::Failed | Outcome::Panicked => {}
                    // A refusal is an answer, too: the far side is there.
                    Outcome::Succeeded | Outcome::Refused => *failures = 0,
                }
                if *failures >= TRIP {
                    self.0 = State::Shut(Shut::begin(attempt, now));
                }
            }
            State::Shut(shut) if shut.probe == Some(attempt.id) => {
                shut.probe = None;
                match attempt.outcome {
                    Outcome::Failed => shut.until = now + shut.backoff.next_wait(),
                    // It says nothing of the far side. The next one may.
                    Outcome::Panicked => {}
                    Outcome::Succeeded | Outcome::Refused => {
                        let shut_for = now.saturating_duration_since(shut.began);
                        tracing::info!(?shut_for, "the far side answers again; taking work");
                        self.0 = State::Open {
                            failures: 0,
                            since: Some(now),
                        };
                    }
                }
            }
            State::Shut(_) => {}
        }
    }
}

impl Shut {
    fn begin(reason: &Attempt, now: Instant) -> Self {
        let mut backoff = Backoff::between(WAIT_FIRST, WAIT_MAX);
        let wait = backoff.next_wait();
        // The words of an answer may repeat the transaction, and contents are not logged.
        let error = reason.error.as_deref().filter(|_| reason.status.is_none());
        tracing::warn!(
            status = reason.status,
            error,
            ?wait,
            "the far side failed {TRIP} times in a row; taking no work until it answers"
        );
        Self {
            began: now,
            until: now + wait,
            backoff,
            probe: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stands still, and a breaker.
    struct Scene {
        now: Instant,
        breaker: Breaker,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                now: Instant::now() + Duration::from_secs(3600),
                breaker: Breaker::new(),
            }
        }

        fn shut() -> Self {
            let mut scene = Self::new();
            for _ in 0..TRIP {
                scene.hear(Outcome::Failed);
            }
            assert!(matches!(scene.gate(), Gate::Shut { until: Some(_) }));
            scene
        }

        fn gate(&self) -> Gate {
            self.breaker.gate(self.now)
        }

        /// An attempt at any transaction that has just begun, or began `took` ago.
        fn hear(&mut self, outcome: Outcome) {
            self.hear_of(Uuid::now_v7(), outcome, Duration::ZERO);
        }

        fn hear_of(&mut self, id: Uuid, outcome: Outcome, took: Duration) {
            let attempt = Attempt {
                id,
                number: 1,
                started_at: time::OffsetDateTime::UNIX_EPOCH,
                took,
                outcome,
                status: None,
                error: None,
                retry_after: None,
            };
            self.breaker.heard(&attempt, self.now);
        }

        /// Lets time pass until a probe may begin; returns how long that was.
        fn wait(&mut self) -> Duration {
            let Gate::Shut { until: Some(until) } = self.gate() else {
                panic!("not waiting: {:?}", self.gate());
            };
            let waited = until - self.now;
            self.now = until - Duration::from_nanos(1);
            assert_eq!(self.gate(), Gate::Shut { until: Some(until) });
            self.now = until;
            assert_eq!(self.gate(), Gate::One);
            waited
        }

        fn probe(&mut self) -> Uuid {
            let id = Uuid::now_v7();
            self.breaker.started(id, self.now);
            assert_eq!(self.gate(), Gate::Shut { until: None });
            id
        }
    }

    #[test]
    fn it_shuts_after_five_failures_in_a_row_and_not_before() {
        let mut scene = Scene::new();
        for _ in 1..TRIP {
            scene.hear(Outcome::Failed);
            assert_eq!(scene.gate(), Gate::Open);
        }
        scene.hear(Outcome::Failed);
        assert!(matches!(scene.gate(), Gate::Shut { .. }));
    }

    #[test]
    fn any_answer_between_failures_starts_the_count_again_and_a_panic_does_not() {
        for (between, gate_is_open) in [
            (Outcome::Succeeded, true),
            (Outcome::Refused, true),
            (Outcome::Panicked, false),
        ] {
            let mut scene = Scene::new();
            for _ in 1..TRIP {
                scene.hear(Outcome::Failed);
            }
            scene.hear(between);
            scene.hear(Outcome::Failed);
            assert_eq!(scene.gate() == Gate::Open, gate_is_open, "{between:?}");
        }
        let mut scene = Scene::new();
        for _ in 0..2 * TRIP {
            scene.hear(Outcome::Panicked);
        }
        assert_eq!(scene.gate(), Gate::Open);
    }

    #[test]
    fn one_probe_goes_at_a_time_and_a_good_one_opens_at_once() {
        for answer in [Outcome::Succeeded, Outcome::Refused] {
            let mut scene = Scene::shut();
            scene.wait();
            let probe = scene.probe();
            scene.hear_of(probe, answer, Duration::ZERO);
            assert_eq!(scene.gate(), Gate::Open);
        }
    }

    #[test]
    fn failed_probes_double_the_wait_up_to_its_bound() {
        let mut scene = Scene::shut();
        for span in [1, 2, 4, 8, 16, 30, 30] {
            let waited = scene.wait();
            let span = Duration::from_secs(span);
            assert!(waited >= span / 2 && waited <= span, "{waited:?}, {span:?}");
            let probe = scene.probe();
            scene.hear_of(probe, Outcome::Failed, Duration::ZERO);
        }
        // And the next outage begins with a short one.
        scene.wait();
        let probe = scene.probe();
        scene.hear_of(probe, Outcome::Succeeded, Duration::ZERO);
        for _ in 0..TRIP {
            scene.hear(Outcome::Failed);
        }
        assert!(scene.wait() <= WAIT_FIRST);
    }

    #[test]
    fn what_began_before_it_shut_changes_nothing() {
        let mut scene = Scene::shut();
        let gate = scene.gate();
        // On its way when it shut, and begun since.
        let late = Uuid::now_v7();
        scene.breaker.started(late, scene.now);
        for outcome in [Outcome::Failed, Outcome::Succeeded, Outcome::Panicked] {
            scene.hear_of(late, outcome, Duration::ZERO);
            scene.hear(outcome);
            assert_eq!(scene.gate(), gate);
        }
        scene.wait();
        scene.probe();
        scene.hear(Outcome::Failed);
        assert_eq!(scene.gate(), Gate::Shut { until: None });
    }

    #[test]
    fn failures_of_the_outage_before_do_not_shut_it_again() {
        let mut scene = Scene::shut();
        scene.wait();
        let probe = scene.probe();
        scene.hear_of(probe, Outcome::Succeeded, Duration::ZERO);
        scene.now += Duration::from_secs(5);
        for _ in 0..2 * TRIP {
            scene.hear_of(Uuid::now_v7(), Outcome::Failed, Duration::from_secs(30));
        }
        assert_eq!(scene.gate(), Gate::Open);
        for _ in 0..TRIP {
            scene.hear_of(Uuid::now_v7(), Outcome::Failed, Duration::from_secs(1));
        }
        assert!(matches!(scene.gate(), Gate::Shut { .. }));
    }

    #[test]
    fn a_probe_that_panics_or_is_given_up_makes_room_for_another() {
        let mut scene = Scene::shut();
        scene.wait();
        let probe = scene.probe();
        scene.hear_of(probe, Outcome::Panicked, Duration::ZERO);
        assert_eq!(scene.gate(), Gate::One);
        scene.probe();
        scene.breaker.abandoned();
        assert_eq!(scene.gate(), Gate::One);
    }
}
