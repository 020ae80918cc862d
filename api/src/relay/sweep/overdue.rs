//! Looks at retries that fell due long ago: after an outage there may be many, and else there is none. Yet it may cost
//! much to see that there is none, as the index on their time keeps the entries of rows that are gone while somebody holds
//! an old snapshot. So a look goes back in time by as much as the looks before it allow.

use std::time::{Duration, Instant};

use entity::lifecycle::{Span, due::FellDue};

/// After a pass that has found nothing more the next one begins so much later.
const REST: Duration = Duration::from_secs(30);
/// The same after a look that failed: it has kept everything else waiting.
const REST_FAILED: Duration = Duration::from_secs(10);
/// How far back a pass has come.
pub(super) struct Overdue {
    /// A pass begins with what fell due so long ago.
    after: Duration,
    at_least: Duration,
    /// How far the next look goes back; for ever if it may go as far as any.
    span: Span,
    rests_until: Option<Instant>,
}

impl Overdue {
    pub(super) fn new(after: Duration) -> Self {
        Self {
            after,
            at_least: after,
            span: Span::MAX,
            rests_until: None,
        }
    }

    /// What to look at now, if it is time.
    pub(super) fn next(&self, now: Instant) -> Option<FellDue> {
        let rests = self.rests_until.is_some_and(|until| now < until);
        (!rests).then(|| FellDue {
            at_least: self.at_least,
            at_most: self
                .is_bounded()
                .then(|| self.at_least + self.span.duration()),
        })
    }

    fn is_bounded(&self) -> bool {
        self.span != Span::MAX && self.at_least < Span::MAX.duration()
    }

    /// That look, from `began` until `now`, has found something; `is_full`: as much as it could. Returns whether there is
    /// more to look at.
    pub(super) fn looked(&mut self, is_full: bool, began: Instant, now: Instant) -> bool {
        let (span, is_bounded) = (self.span, self.is_bounded());
        self.span.took(now.duration_since(began));
        if is_full {
            return true;
        }
        if is_bounded {
            self.at_least += span.duration();
            return true;
        }
        self.at_least = self.after;
        self.rests_until = Some(now + REST);
        false
    }

    /// That look has failed, perhaps because it took too long.
    pub(super) fn failed(&mut self, now: Instant) {
        self.span.failed();
        self.rests_until = Some(now + REST_FAILED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_look_is_enough_where_it_is_quick() {
        let now = Instant::now();
        let mut overdue = Overdue::new(AFTER);
        let all = FellDue {
            at_least: AFTER,
            at_most: None,
        };
        assert_eq!(overdue.next(now), Some(all));
        assert!(overdue.looked(true, now, now + MS), "it may have left some");
        assert_eq!(overdue.next(now), Some(all));
        assert!(!overdue.looked(false, now, now + MS));
        assert_eq!(overdue.next(now + REST / 2), None);
        assert_eq!(overdue.next(now + REST + MS), Some(all));
    }

    #[test]
    fn where_it_is_slow_each_look_goes_back_less_far_until_all_has_been_looked_at() {
        let mut now = Instant::now();
        let mut overdue = Overdue::new(AFTER);
        // A hundred million entries of the last ten days, read at ten a microsecond; a statement is ended after 5 s.
        let full = Duration::from_secs(10 * 24 * 60 * 60);
        let cost = |look: FellDue| {
            let to = look.at_most.map_or(full, |at_most| at_most.min(full));
            let share = to.saturating_sub(look.at_least).as_secs_f64() / full.as_secs_f64();
            Duration::from_secs_f64(share * 10.0)
        };
        let (mut failed, mut longest, mut last) = (0, Duration::ZERO, AFTER);
        for _ in 0..1000 {
            let Some(look) = overdue.next(now) else {
                now += Duration::from_secs(1);
                continue;
            };
            assert_eq!(look.at_least, last, "nothing is left out");
            let took = cost(look);
            if took > Duration::from_secs(5) {
                failed += 1;
                overdue.failed(now);
                continue;
            }
            longest = longest.max(took);
            if !overdue.looked(false, now, now + took) {
                assert!(failed <= 4, "{failed}");
                assert!(longest <= Duration::from_secs(2), "{longest:?}");
                return;
            }
            last = look
                .at_most
                .unwrap_or_else(|| panic!("it was not the last"));
            now += took;
        }
        panic!("it does not end");
    }
}
