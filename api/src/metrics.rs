//! What the HTTP side counts, and how it is written for whoever scrapes it.
//!
//! Whoever counts holds what it counts in: a source's [`SourceMetrics`] come with the source, and nothing is looked up by a
//! name for a webhook.

mod commits;
mod requests;
mod source;

use std::{fmt, sync::Arc};

use meter::{Figures, Page, Snapshot};
use tokio::sync::watch;

use crate::{Sources, admission::Admission, lane::Ahead, writer::Queued};
pub(crate) use commits::Commits;
pub(crate) use requests::Requests;
pub(crate) use source::{Outcome, SourceMetrics};

/// With more sources than this, times to an answer are not told apart by source: each has some forty series.
const SOURCES_APART_MAX: usize = 50;

pub(crate) struct Metrics {
    pub(crate) sources: watch::Receiver<Arc<Sources>>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) commits: Arc<Commits>,
    pub(crate) admission: Admission,
    pub(crate) queued: Queued,
}

impl Figures for Metrics {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let sources = self.sources.borrow().clone();
        write_sources(&sources, page)?;
        self.requests.write(page)?;
        page.histograms(
            (
                "hookline_commit_seconds",
                "How long each commit of a batch of webhooks took",
            ),
            [([], self.commits.took.snapshot())],
        )?;
        page.histograms(
            (
                "hookline_commit_rows",
                "How many webhooks were in each batch",
            ),
            [([], self.commits.rows.snapshot())],
        )?;
        let waiting = self.queued.webhooks();
        page.gauges(
            ("hookline_waiting", "Webhooks that wait for their commit"),
            [([("place", "writer")], waiting as f64)],
        )?;
        let all = Ahead {
            all: waiting,
            own: waiting,
        };
        let [estimate, bound, lag] =
            (self.admission).with(|controller, now| controller.waits(now, all));
        page.gauges(
            (
                "hookline_admission_wait_seconds",
                "How long a webhook that comes now is estimated to wait for its commit; the longest wait with which one is \
                 let in; and how late the threads are",
            ),
            [("estimate", estimate), ("bound", bound), ("thread_lag", lag)]
                .map(|(kind, wait)| ([("kind", kind)], wait.as_secs_f64())),
        )
    }
}

fn write_sources(sources: &Sources, page: &mut Page<'_>) -> fmt::Result {
    let all: Vec<_> = sources.metrics().collect();
    let each = all.iter();
    page.counters(
        (
            "hookline_webhooks",
            "What came of webhooks. What is not_committed may have been committed after all, and then counts as that, too",
        ),
        each.clone().flat_map(|(source, metrics)| {
            let outcomes = metrics.outcomes();
            outcomes.map(|(outcome, count)| ([("source", *source), ("outcome", outcome)], count))
        }),
    )?;
    page.counters(
        (
            "hookline_verifications",
            "What came of proofs that requests are their sender's; and by which of the source's secrets, in their order",
        ),
        each.clone().flat_map(|(source, metrics)| {
            metrics.proofs().map(|(result, secret, count)| {
                ([("source", *source), ("result", result), ("secret", secret)], count)
            })
        }),
    )?;
    let ack = (
        "hookline_ack_seconds",
        "From the moment at which a handler has a webhook to its answer, by what the answer is: shed is every 503",
    );
    if all.len() > SOURCES_APART_MAX {
        return page.histograms(
            ack,
            together(&all).map(|(answer, took)| ([("answer", answer)], took)),
        );
    }
    page.histograms(
        ack,
        each.flat_map(|(source, metrics)| {
            let acks = metrics.acks();
            acks.map(|(answer, took)| ([("source", *source), ("answer", answer)], took))
        }),
    )
}

/// The times of all sources, by answer.
fn together(all: &[(&str, &SourceMetrics)]) -> impl Iterator<Item = (&'static str, Snapshot)> {
    let mut sums: Vec<(&'static str, Snapshot)> = Vec::new();
    for (_, metrics) in all {
        for (at, (answer, took)) in metrics.acks().enumerate() {
            match sums.get_mut(at) {
                Some((_, sum)) => sum.add(&took),
                None => sums.push((answer, took)),
            }
        }
    }
    sums.into_iter()
}

#[cfg(test)]
mod tests;
