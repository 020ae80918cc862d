//! A pass over the outbox in the order of its key, look by look, so that no look takes long however much there is.
//!
//! The keys are UUIDs of version 7 (RFC 9562, section 5.7): their first 48 bits are milliseconds since 1970, so a range
//! of keys is a span of time. A look reads a bounded number of entries, but on PostgreSQL it may have to pass any number
//! of dead ones that vacuum has not been able to remove yet. So it is bounded in span, too, and the span follows from
//! how long the looks take.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

/// After a look that took less the next one may span twice as much.
const QUICK: Duration = Duration::from_millis(50);
/// After a look that took more the next one spans a quarter.
const SLOW: Duration = Duration::from_millis(250);
/// After one that failed, a sixteenth: from the longest to the shortest in eight.
const FAILED_TIMES: u32 = 16;
/// A key's bits below its milliseconds.
const BELOW_MS: u32 = 80;

/// How much time one look may span: it follows from how long the looks take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Duration);

impl Span {
    /// A century: longer than any pass.
    pub const MAX: Self = Self(Duration::from_secs(100 * 365 * 24 * 60 * 60));
    const MIN: Self = Self(Duration::from_secs(1));

    pub const fn duration(self) -> Duration {
        self.0
    }

    /// A look has taken so long.
    pub fn took(&mut self, took: Duration) {
        if took > SLOW {
            self.0 = (self.0 / 4).max(Self::MIN.0);
        } else if took < QUICK {
            self.0 = (self.0 * 2).min(Self::MAX.0);
        }
    }

    /// A look has failed, perhaps because it took too long.
    pub fn failed(&mut self) {
        self.0 = (self.0 / FAILED_TIMES).max(Self::MIN.0);
    }

    const fn millis(self) -> u64 {
        self.0.as_millis() as u64
    }
}

/// The keys from `from` on, and below `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Uuid,
    pub to: Uuid,
}

/// What one look has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What it was made for: these ids have been claimed, or moved.
    pub ids: Vec<Uuid>,
    /// How many entries it has read.
    pub read: u64,
    /// The last of them.
    pub last: Option<Uuid>,
}

/// How far a pass has come. Remembers from pass to pass how much one look may span.
#[derive(Clone, Debug)]
pub struct Pass {
    next: u128,
    span: Span,
}

impl Default for Pass {
    /// From the oldest entry on.
    fn default() -> Self {
        Self {
            next: 0,
            span: Span::MAX,
        }
    }
}

impl Pass {
    /// This process's clock, in milliseconds since 1970: where a pass over everything so far ends.
    pub fn now() -> u64 {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since_1970.map_or(0, |time| time.as_millis() as u64)
    }

    /// From the entries of this time on, in milliseconds since 1970.
    pub fn since(millis: u64) -> Self {
        Self {
            next: first_of(millis),
            ..Self::default()
        }
    }

    /// What to read next; `None` if all entries before `end` (milliseconds since 1970) have been read.
    pub fn range(&self, end: u64) -> Option<Range> {
        let end_key = first_of(end);
        if self.next >= end_key {
            return None;
        }
        let began = (self.next >> BELOW_MS) as u64;
        let to = began.saturating_add(self.span.millis()).min(end);
        Some(Range {
            from: Uuid::from_u128(self.next),
            to: Uuid::from_u128(first_of(to)),
        })
    }

    /// A look at `range` that read at most `limit` entries has come back after `took`.
    pub fn looked(&mut self, range: Range, look: &Look, limit: u64, took: Duration) {
        self.next = match look.last {
            Some(last) if look.read >= limit => last.as_u128().saturating_add(1),
            _ => range.to.as_u128(),
        };
        self.span.took(took);
    }

    /// A look has failed; perhaps because it took too long.
    pub fn failed(&mut self) {
        self.span.failed();
    }

    /// Begins anew, from the oldest entry on.
    pub fn restart(&mut self) {
        self.next = 0;
    }

    /// Goes back to this id, if it has passed it.
    pub fn go_back_to(&mut self, id: Uuid) {
        self.next = self.next.min(id.as_u128());
    }
}

/// The smallest key of a millisecond.
fn first_of(millis: u64) -> u128 {
    u128::from(millis) << BELOW_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const LIMIT: u64 = 10;

    fn quick(pass: &mut Pass, range: Range) {
        pass.looked(range, &Look::default(), LIMIT, Duration::ZERO);
    }

    fn span(range: Range) -> u64 {
        ((range.to.as_u128() >> BELOW_MS) - (range.from.as_u128() >> BELOW_MS)) as u64
    }

    #[test]
    fn a_pass_over_little_is_one_look() {
        let mut pass = Pass::default();
        let range = pass.range(NOW).unwrap();
        assert_eq!(
            (range.from, range.to),
            (Uuid::nil(), Uuid::from_u128(first_of(NOW)))
        );
        quick(&mut pass, range);
        assert_eq!(pass.range(NOW), None);
        // What has come since is read next.
        let range = pass.range(NOW + 5).unwrap();
        assert_eq!(span(range), 5);
    }

    #[test]
    fn a_full_look_goes_on_behind_the_last_entry_it_read() {
        let mut pass = Pass::since(NOW);
        let range = pass.range(NOW + 1000).unwrap();
        let last = Uuid::from_u128(first_of(NOW + 3) + 7);
        let full = Look {
            read: LIMIT,
            last: Some(last),
            ..Look::default()
        };
        pass.looked(range, &full, LIMIT, Duration::ZERO);
        let range = pass.range(NOW + 1000).unwrap();
        assert_eq!(range.from.as_u128(), last.as_u128() + 1);
    }

    #[test]
    fn looks_that_take_long_become_narrow_and_wide_again() {
        let mut pass = Pass::default();
        for _ in 0..5 {
            pass.failed();
        }
        let narrow = Span::MAX.millis() / 16u64.pow(5);
        let first = pass.range(NOW).unwrap();
        assert!(span(first).abs_diff(narrow) <= 1);
        pass.looked(first, &Look::default(), LIMIT, SLOW * 2);
        let second = pass.range(NOW).unwrap();
        assert!(span(second).abs_diff(narrow / 4) <= 1);
        quick(&mut pass, second);
        assert!(span(pass.range(NOW).unwrap()).abs_diff(narrow / 2) <= 1);
        for _ in 0..3 {
            pass.failed();
        }
        assert_eq!(span(pass.range(NOW).unwrap()), Span::MIN.millis());
    }

    /// Twenty million entries of some hours two years ago, all of them dead and in the index still: a look is ended after
    /// 2 s, and comes back with nothing else.
    #[test]
    fn a_pass_gets_through_what_is_dead_however_old_it_is() {
        const DENSE: std::ops::Range<u64> = NOW - 63_072_000_000..NOW - 63_072_000_000 + 20_000_000;
        let mut pass = Pass::default();
        let (mut looks, mut failed) = (0, 0);
        while let Some(range) = pass.range(NOW) {
            let [from, to] = [range.from, range.to].map(|id| (id.as_u128() >> BELOW_MS) as u64);
            let dead = to.min(DENSE.end).saturating_sub(from.max(DENSE.start));
            let took = Duration::from_micros(dead / 4);
            looks += 1;
            match took > Duration::from_secs(2) {
                true => {
                    failed += 1;
                    pass.failed();
                }
                false => pass.looked(range, &Look::default(), LIMIT, took),
            }
            assert!(looks < 500, "it does not end");
        }
        assert!(failed <= 16, "{failed}");
    }

    #[test]
    fn a_pass_goes_back_to_what_was_not_published_and_never_forward() {
        let mut pass = Pass::since(NOW);
        let range = pass.range(NOW + 1000).unwrap();
        quick(&mut pass, range);
        let id = Uuid::from_u128(first_of(NOW + 10));
        pass.go_back_to(id);
        assert_eq!(pass.range(NOW + 1000).unwrap().from, id);
        pass.go_back_to(Uuid::max());
        assert_eq!(pass.range(NOW + 1000).unwrap().from, id);
    }
}
