//! What becomes of spans.

use std::fmt;

use meter::{Counter, Figures, Page};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The collector has taken them.
    pub(crate) exported: Counter,
    /// They found no room to wait in.
    pub(crate) dropped: Counter,
    /// The collector has not taken them.
    pub(crate) failed: Counter,
}

impl Figures for Counts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let outcomes = [
            ("exported", &self.exported),
            ("dropped", &self.dropped),
            ("failed", &self.failed),
        ];
        page.counters(
            (
                "hookline_spans",
                "What became of spans: exported, dropped for want of room, or failed because the collector did not take them",
            ),
            outcomes.map(|(outcome, count)| ([("outcome", outcome)], count.get())),
        )
    }
}
