//! What the relay counts.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use meter::{Buckets, Counter, Figures, Histogram, Page};

const CONFIRMED_AFTER: Buckets = Buckets::micros(&[
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    30_000_000,
]);

/// Of all publishers of this process, one after the other.
#[derive(Debug)]
pub(super) struct Metrics {
    /// The broker has taken responsibility.
    pub(super) confirmed: Counter,
    /// The broker has refused.
    pub(super) nacked: Counter,
    /// The queue has given it up after it was confirmed.
    pub(super) returned: Counter,
    /// The connection was lost before its confirm: published again by the next.
    pub(super) lost: Counter,
    /// From the publishing of a message to its confirm: of one message at a time.
    pub(super) confirmed_after: Histogram,
    unconfirmed: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            confirmed: Counter::default(),
            nacked: Counter::default(),
            returned: Counter::default(),
            lost: Counter::default(),
            confirmed_after: Histogram::new(CONFIRMED_AFTER),
            unconfirmed: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// So many messages are on their way now.
    pub(super) fn on_their_way(&self, unconfirmed: usize) {
        self.unconfirmed
            .store(unconfirmed as u64, Ordering::Relaxed);
    }
}

impl Figures for Metrics {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let results = [
            ("confirmed", &self.confirmed),
            ("nacked", &self.nacked),
            ("returned", &self.returned),
            ("lost", &self.lost),
        ];
        page.counters(
            (
                "hookline_published",
                "What came of messages: confirmed or nacked by the broker, returned by the queue after that, or lost with \
                 their connection before",
            ),
            results.map(|(result, count)| ([("result", result)], count.get())),
        )?;
        page.histograms(
            (
                "hookline_confirm_seconds",
                "From the publishing of a message to its publisher confirm, of one message at a time",
            ),
            [([], self.confirmed_after.snapshot())],
        )?;
        page.gauges(
            (
                "hookline_unconfirmed",
                "Messages that are published and not confirmed",
            ),
            [([], self.unconfirmed.load(Ordering::Relaxed) as f64)],
        )
    }
}
