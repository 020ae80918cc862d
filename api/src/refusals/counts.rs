//! How many were refused, of which source and why; and how many of them are written.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use source::Reason;

/// Lines of one source that are written within [`WINDOW`].
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts of each source that has refused anything. Their number is that of the sources.
pub(super) struct Counts {
    sources: BTreeMap<String, Count>,
    start: Instant,
}

#[derive(Default)]
struct Count {
    /// By the reason's name, since the process has started.
    reasons: BTreeMap<&'static str, u64>,
    /// When the window began, after the start, and how many lines were written in it.
    began: Duration,
    written: u32,
    /// Since it was last asked.
    not_written: u64,
}

impl Counts {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            sources: BTreeMap::new(),
            start,
        }
    }

    /// Counts a refusal. Returns whether it is to be written.
    pub(super) fn count(&mut self, now: Instant, source: &str, reason: Reason) -> bool {
        let now = now.duration_since(self.start);
        if !self.sources.contains_key(source) {
            self.sources.insert(source.to_owned(), Count::default());
        }
        let Some(count) = self.sources.get_mut(source) else {
            return false;
        };
        *count.reasons.entry(reason.name()).or_default() += 1;
        if now.saturating_sub(count.began) >= WINDOW {
            count.began = now;
            count.written = 0;
        }
        let is_written = count.written < LINES_MAX;
        match is_written {
            true => count.written += 1,
            false => count.not_written += 1,
        }
        is_written
    }

    /// One that was to be written was not.
    pub(super) fn not_written(&mut self, source: &str) {
        if let Some(count) = self.sources.get_mut(source) {
            count.not_written += 1;
        }
    }

    /// How many of which source were not written since this was last asked; and how many have been refused for which reason
    /// since the process has started.
    pub(super) fn take_not_written(&mut self) -> Vec<(String, u64, String)> {
        let counts = self.sources.iter_mut();
        let counts = counts.map(|(source, count)| {
            let not_written = std::mem::take(&mut count.not_written);
            let reasons = count.reasons.iter();
            let reasons: Vec<_> = reasons
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            (source.clone(), not_written, reasons.join(", "))
        });
        counts
            .filter(|(_, not_written, _)| *not_written > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_and_source_are_written_and_all_are_counted() {
        let start = Instant::now();
        let mut counts = Counts::new(start);
        let mut written = |source, from: Duration| {
            let written = (0..100).filter(|_| counts.count(start + from, source, Reason::Mismatch));
            written.count()
        };
        assert_eq!(written("a", Duration::ZERO), 10);
        assert_eq!(written("b", Duration::from_millis(500)), 10);
        assert_eq!(written("a", Duration::from_millis(999)), 0);
        assert_eq!(written("a", WINDOW), 10);
        counts.count(start, "a", Reason::Stale { skew: 400 });
        let not_written = counts.take_not_written();
        assert_eq!(
            not_written,
            [
                ("a".into(), 281, "mismatch 300, stale 1".into()),
                ("b".into(), 90, "mismatch 100".into())
            ]
        );
        assert_eq!(counts.take_not_written(), []);
    }
}
