use entity::{Outcome, lifecycle::Attempt};

use super::{recent::FAILURES_MIN, *};

/// A clock that is moved by hand, and a circuit.
struct Scene {
    now: Instant,
    circuit: Circuit,
}

impl Scene {
    fn new() -> Self {
        Self {
            now: Instant::now() + Duration::from_secs(3600),
            circuit: Circuit::new(),
        }
    }

    /// Opened by failures of this kind.
    fn open(signal: Signal) -> Self {
        let mut scene = Self::new();
        scene.fresh(signal, FAILURES_MIN);
        assert_eq!(scene.circuit.appetite(), Appetite::Nothing);
        scene
    }

    fn allowed(&mut self) -> Allowed {
        self.circuit.allowed(self.now, 0)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn end(&mut self, called: &Called, is_fresh: bool) -> Charge {
        self.circuit.ended(called, is_fresh, self.now)
    }

    /// So many attempts at transactions that had not failed before; returns how many were charged to them.
    fn fresh(&mut self, signal: Signal, count: u32) -> usize {
        let charges = (0..count).map(|_| self.end(&called(signal), true));
        charges
            .filter(|charge| *charge == Charge::Transaction)
            .count()
    }

    fn retried(&mut self, signal: Signal, count: u32) {
        for _ in 0..count {
            self.end(&called(signal), false);
        }
    }

    /// Lets time pass until probes may begin; returns how long that was, and how many may.
    fn half_open(&mut self) -> (Duration, usize) {
        let Allowed::NoneUntil(until) = self.allowed() else {
            panic!("not open: {:?}", self.allowed());
        };
        let waited = until - self.now;
        self.now = until - Duration::from_nanos(1);
        assert_eq!(self.allowed(), Allowed::NoneUntil(until));
        self.now = until;
        match self.allowed() {
            Allowed::Calls(probes) => (waited, probes),
            allowed => panic!("{allowed:?}"),
        }
    }

    /// Begins all probes that may.
    fn probe(&mut self) -> Vec<Called> {
        let mut probes = Vec::new();
        while matches!(self.circuit.state, State::HalfOpen { .. })
            && let Allowed::Calls(_) = self.allowed()
        {
            let probe = called(Signal::Succeeded);
            self.circuit.started(probe.attempt.id);
            probes.push(probe);
        }
        probes
    }

    /// Makes all probes end so, until that has decided something.
    fn probes_end(&mut self, signal: Signal) {
        for mut probe in self.probe() {
            probe.signal = signal;
            self.end(&probe, true);
        }
    }
}

fn called(signal: Signal) -> Called {
    Called {
        attempt: Attempt {
            id: Uuid::now_v7(),
            number: 1,
            started_at: time::OffsetDateTime::UNIX_EPOCH,
            took: Duration::ZERO,
            outcome: Outcome::Failed,
            status: None,
            error: None,
            retry_after: None,
        },
        signal,
    }
}

#[test]
fn it_opens_when_nearly_everything_fails_and_not_before() {
    for signal in [Signal::Failed, Signal::Unreachable] {
        let mut scene = Scene::new();
        assert_eq!(scene.fresh(signal, FAILURES_MIN - 1), 9);
        assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
        // The one that opens it is charged to the service, and so is what was under way.
        assert_eq!(scene.fresh(signal, 20), 0);
        assert_eq!(scene.circuit.appetite(), Appetite::Nothing);
        assert!(matches!(scene.allowed(), Allowed::NoneUntil(_)));
    }
}

#[test]
fn a_part_that_is_sick_does_not_open_it() {
    for (signal, sick) in [(Signal::Failed, 3), (Signal::Unreachable, 1)] {
        let mut scene = Scene::new();
        for _ in 0..100 {
            scene.fresh(Signal::Succeeded, 1);
            scene.fresh(signal, sick);
        }
        assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX), "{signal:?}");
    }
    let mut scene = Scene::new();
    for _ in 0..100 {
        scene.fresh(Signal::Succeeded, 5);
        scene.fresh(Signal::Refused, 4);
    }
    assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
}

#[test]
fn a_part_that_is_sick_at_random_does_not_keep_it_open() {
    // Seven of ten fail: what opens it by chance closes at the next probes.
    let mut scene = Scene::new();
    let mut closed = 0;
    for _ in 0..10_000 {
        match scene.allowed() {
            Allowed::Calls(_) => {
                let mut call = called(Signal::Succeeded);
                if rand::random_bool(0.7) {
                    call.signal = Signal::Failed;
                }
                scene.circuit.started(call.attempt.id);
                scene.end(&call, true);
                closed += usize::from(matches!(scene.circuit.state, State::Closed { .. }));
            }
            Allowed::NoneUntil(until) => scene.now = until,
            Allowed::NoneYet => panic!("nothing is under way"),
        }
        scene.pass(Duration::from_millis(2));
    }
    assert!(closed > 9_000, "{closed} of 10,000 calls");
}

#[test]
fn it_closes_when_a_quarter_of_the_probes_succeed_where_the_others_are_answered() {
    let mut scene = Scene::open(Signal::Failed);
    scene.half_open();
    let mut probes = scene.probe();
    for probe in &mut probes[..3] {
        probe.signal = Signal::Failed;
        scene.end(probe, true);
    }
    for probe in &probes[3..] {
        scene.end(probe, true);
    }
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
}

#[test]
fn it_opens_soon_however_long_all_went_well_before() {
    for (signal, reason) in [
        (Signal::Refused, Reason::Refusing),
        (Signal::Failed, Reason::Failing),
    ] {
        let mut scene = Scene::new();
        scene.fresh(Signal::Succeeded, 10_000);
        let spent = scene.fresh(signal, 1000);
        assert!(spent < 20, "{spent} attempts were spent");
        assert!(matches!(scene.circuit.state, State::Open { reason: r, .. } if r == reason));
    }
}

#[test]
fn a_wave_is_charged_to_nobody_while_what_began_before_still_succeeds() {
    let mut scene = Scene::new();
    scene.fresh(Signal::Succeeded, 1000);
    let mut spent = 0;
    for _ in 0..500 {
        scene.fresh(Signal::Succeeded, 1);
        scene.pass(Duration::from_millis(1));
        spent += scene.fresh(Signal::Refused, 1);
    }
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
    assert_eq!(spent, REFUSALS_BELIEVED as usize);
    // What is refused again is refused.
    assert_eq!(
        scene.end(&called(Signal::Refused), false),
        Charge::Transaction
    );
    // And so are those that come one by one.
    for _ in 0..100 {
        scene.pass(recent::SHORT_SPAN);
        assert_eq!(scene.fresh(Signal::Refused, 1), 1);
        scene.fresh(Signal::Succeeded, 2);
    }
}

#[test]
fn attempts_without_an_answer_weigh_more_than_bad_answers() {
    let after = |signal| {
        let mut scene = Scene::new();
        for _ in 0..10 {
            scene.fresh(Signal::Succeeded, 2);
            scene.fresh(signal, 5);
        }
        scene.circuit.appetite()
    };
    assert_eq!(after(Signal::Failed), Appetite::Full);
    assert_eq!(after(Signal::Unreachable), Appetite::Nothing);
}

#[test]
fn what_fails_again_and_again_says_nothing_while_anything_is_fresh_or_succeeds() {
    let mut scene = Scene::new();
    scene.fresh(Signal::Succeeded, 1);
    scene.retried(Signal::Failed, 500);
    assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
    // And where there is nothing else, it must do.
    scene.pass(recent::SPAN);
    scene.retried(Signal::Failed, FAILURES_MIN);
    assert_eq!(scene.circuit.appetite(), Appetite::Nothing);
}

#[test]
fn what_is_long_ago_no_longer_counts() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.fresh(Signal::Failed, FAILURES_MIN - 1);
        scene.pass(recent::SPAN);
    }
    assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
}

#[test]
fn a_wave_of_refusals_opens_it_and_is_charged_to_nobody_from_then_on() {
    let mut scene = Scene::new();
    let spent = scene.fresh(Signal::Refused, 2000);
    assert_eq!(spent, REFUSALS_BELIEVED as usize);
    let (_, probes) = scene.half_open();
    assert_eq!(probes, PROBES_FIRST);
    for mut probe in scene.probe() {
        probe.signal = Signal::Refused;
        assert_eq!(scene.end(&probe, true), Charge::Service);
    }
    assert_eq!(scene.circuit.appetite(), Appetite::Nothing);
    // Nobody knows what is behind those that are refused: the next time there are more of them.
    let (_, probes) = scene.half_open();
    assert_eq!(probes, PROBES_TIMES * PROBES_FIRST);
    scene.probes_end(Signal::Succeeded);
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
    assert_eq!(scene.fresh(Signal::Refused, 1), 1);
}

#[test]
fn it_closes_by_degrees_when_most_probes_succeed() {
    for good in [Signal::Succeeded, Signal::Refused] {
        let mut scene = Scene::open(Signal::Unreachable);
        scene.half_open();
        let mut probes = scene.probe();
        assert_eq!(probes.len(), PROBES_FIRST);
        assert_eq!(scene.allowed(), Allowed::NoneYet);
        for probe in &mut probes[..2] {
            probe.signal = Signal::Unreachable;
            assert_eq!(scene.end(probe, true), Charge::Service);
        }
        for probe in &mut probes[2..] {
            assert!(matches!(scene.circuit.appetite(), Appetite::Probes(_)));
            probe.signal = good;
            scene.end(probe, true);
        }
        let Allowed::Calls(limit) = scene.allowed() else {
            panic!("not closed")
        };
        assert_eq!(limit, 2 * PROBES_FIRST);
        assert_eq!(scene.circuit.allowed(scene.now, limit), Allowed::NoneYet);
        scene.fresh(Signal::Succeeded, 30);
        assert_eq!(scene.allowed(), Allowed::Calls(limit + 30));
        scene.fresh(Signal::Succeeded, UNLIMITED as u32);
        assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
    }
}

#[test]
fn one_probe_is_enough_where_there_is_only_one() {
    let mut scene = Scene::open(Signal::Failed);
    scene.half_open();
    let probe = called(Signal::Succeeded);
    scene.circuit.started(probe.attempt.id);
    scene.end(&probe, false);
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
}

#[test]
fn a_service_that_does_not_answer_is_left_alone_for_longer_each_time() {
    let mut scene = Scene::open(Signal::Unreachable);
    for span in [1, 2, 4, 8, 16, 30, 30] {
        let (waited, probes) = scene.half_open();
        let span = Duration::from_secs(span);
        assert!(waited >= span / 2 && waited <= span, "{waited:?}, {span:?}");
        assert_eq!(probes, PROBES_FIRST);
        scene.probes_end(Signal::Unreachable);
    }
    // And the next outage, long after, begins with a short wait.
    scene.half_open();
    scene.probes_end(Signal::Succeeded);
    scene.pass(STABLE_AFTER * 2);
    scene.fresh(Signal::Unreachable, FAILURES_MIN);
    assert!(scene.half_open().0 <= WAIT_FIRST);
}

#[test]
fn a_service_that_answers_badly_is_asked_sooner_and_more() {
    let mut scene = Scene::open(Signal::Failed);
    let mut asked = Vec::new();
    for _ in 0..6 {
        let (waited, probes) = scene.half_open();
        assert!(waited <= WAIT_ANSWERED_MAX);
        asked.push(probes);
        scene.probes_end(Signal::Failed);
    }
    assert_eq!(asked, [5, 20, 80, 80, 80, 80]);
}

#[test]
fn probes_that_come_one_by_one_are_all_made_before_it_opens_again() {
    let mut scene = Scene::open(Signal::Failed);
    let (_, probes) = scene.half_open();
    for left in (0..probes).rev() {
        let probe = called(Signal::Failed);
        scene.circuit.started(probe.attempt.id);
        scene.end(&probe, true);
        let is_open = scene.circuit.appetite() == Appetite::Nothing;
        let cannot_close = left as f64 <= GOOD_PART_FAILING * probes as f64;
        assert_eq!(is_open, cannot_close, "{left} left");
        if is_open {
            break;
        }
    }
}

#[test]
fn what_began_before_it_closed_again_does_not_open_it() {
    let mut scene = Scene::open(Signal::Unreachable);
    scene.half_open();
    scene.probes_end(Signal::Succeeded);
    scene.pass(Duration::from_secs(5));
    let mut late = called(Signal::Unreachable);
    late.attempt.took = Duration::from_secs(30);
    for _ in 0..100 {
        scene.end(&late, true);
    }
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
    scene.fresh(Signal::Unreachable, 100);
    assert_eq!(scene.circuit.appetite(), Appetite::Nothing);
}

#[test]
fn probes_that_are_given_up_make_room_for_others() {
    let mut scene = Scene::open(Signal::Failed);
    scene.half_open();
    assert_eq!(scene.probe().len(), PROBES_FIRST);
    assert_eq!(scene.allowed(), Allowed::NoneYet);
    scene.circuit.abandoned();
    assert_eq!(scene.allowed(), Allowed::Calls(PROBES_FIRST));
}

#[test]
fn a_service_that_limits_the_rate_gets_a_pause_and_then_as_many_as_it_took() {
    let mut scene = Scene::new();
    scene.fresh(Signal::Succeeded, 50);
    let mut limited = called(Signal::Limited);
    limited.attempt.retry_after = Some(Duration::from_secs(3));
    for _ in 0..49 {
        assert_eq!(scene.end(&limited, true), Charge::Pace);
    }
    assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
    scene.end(&limited, true);
    let until = scene.now + Duration::from_secs(3);
    assert_eq!(scene.allowed(), Allowed::NoneUntil(until));
    // It is there, and nobody else could do better: what is at hand stays.
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
    scene.now = until;
    assert_eq!(scene.allowed(), Allowed::Calls(50));
    scene.fresh(Signal::Succeeded, 10);
    assert_eq!(scene.allowed(), Allowed::Calls(60));
}

#[test]
fn one_that_is_limited_among_many_slows_nobody() {
    let mut scene = Scene::new();
    for _ in 0..100 {
        scene.fresh(Signal::Succeeded, 2);
        scene.fresh(Signal::Limited, 1);
    }
    assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
}

#[test]
fn what_is_short_here_makes_us_slower_and_is_charged_to_nobody() {
    let mut scene = Scene::new();
    for _ in 0..100 {
        assert_eq!(scene.end(&called(Signal::Here), true), Charge::Nobody);
    }
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
    assert!(matches!(scene.allowed(), Allowed::NoneUntil(_)));
    scene.pass(HERE_PAUSE);
    assert_eq!(scene.allowed(), Allowed::Calls(1));
}

#[test]
fn a_panic_is_no_word_about_the_service() {
    let mut scene = Scene::new();
    assert_eq!(scene.fresh(Signal::Panicked, 100), 100);
    assert_eq!(scene.allowed(), Allowed::Calls(usize::MAX));
}

#[test]
fn probes_that_fail_as_they_did_before_hide_none_that_would_succeed() {
    let mut scene = Scene::open(Signal::Failed);
    scene.half_open();
    for _ in 0..STALE_ANSWERED_TIMES * PROBES_FIRST {
        let probe = called(Signal::Failed);
        scene.circuit.started(probe.attempt.id);
        assert_eq!(scene.end(&probe, false), Charge::Service);
        assert!(matches!(scene.circuit.appetite(), Appetite::Probes(_)));
    }
    let fresh = called(Signal::Succeeded);
    scene.circuit.started(fresh.attempt.id);
    scene.end(&fresh, true);
    assert_eq!(scene.circuit.appetite(), Appetite::Full);
    // Where all of them fail again, that is the answer.
    let mut scene = Scene::open(Signal::Failed);
    scene.half_open();
    for _ in 0..(STALE_ANSWERED_TIMES + 1) * PROBES_FIRST {
        let probe = called(Signal::Failed);
        scene.circuit.started(probe.attempt.id);
        scene.end(&probe, false);
    }
    assert_eq!(scene.circuit.appetite(), Appetite::Nothing);
}
