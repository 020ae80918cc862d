//! What a consumer counts, and how it is written for whoever scrapes it.

mod sources;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use entity::{SourceName, Verdict, lifecycle::Attempt};
use meter::{Buckets, Counter, Figures, Histogram, Page};
use tokio::time::Instant;
use uuid::Uuid;

use crate::circuit::Appetite;
pub(crate) use sources::OfSource;
use sources::{Sources, outcome_name};

/// Of a call to downstream.
const ATTEMPT: Buckets = Buckets::micros(&[
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
]);

/// What becomes of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Its work begins, or waits for the circuit.
    Started,
    /// Its work is under way here: it waits for that.
    Joined,
    /// Too many consumers have died with it: it waits for its turn.
    Suspect,
    /// Its transaction is final.
    Final,
    /// Another consumer holds it, or it waits for its next attempt.
    HeldElsewhere,
    /// It names no row.
    Unknown,
}

const DELIVERED: [(Delivered, &str); 6] = [
    (Delivered::Started, "started"),
    (Delivered::Joined, "joined"),
    (Delivered::Suspect, "suspect"),
    (Delivered::Final, "final"),
    (Delivered::HeldElsewhere, "held_elsewhere"),
    (Delivered::Unknown, "unknown"),
];

/// What an operator is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    Closed,
    Open,
    HalfOpen,
}

const CIRCUIT: [(Circuit, &str); 3] = [
    (Circuit::Closed, "closed"),
    (Circuit::Open, "open"),
    (Circuit::HalfOpen, "half_open"),
];

/// What a consumer counts. Whoever starts one makes it, and may ask it how things are.
#[derive(Debug)]
pub struct Metrics {
    delivered: [Counter; DELIVERED.len()],
    redelivered: Counter,
    sources: Sources,
    /// By outcome.
    attempt: [(&'static str, Histogram); 4],
    failed: [(Verdict, &'static str, Counter); 3],
    reclaimed: Counter,
    circuit_opened: Counter,
    now: Mutex<Now>,
    in_flight: AtomicU64,
    prefetch: AtomicU64,
}

/// What is as it is.
#[derive(Debug)]
struct Now {
    circuit: Circuit,
    /// Why it is not closed.
    because: Option<&'static str>,
    /// Until when the lease runs; `None` if there is none, or none is needed.
    lease_until: Option<Instant>,
    needs_lease: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        use entity::Outcome::{Failed, Panicked, Refused, Succeeded};
        let attempt = [Succeeded, Refused, Failed, Panicked];
        Self {
            delivered: Default::default(),
            redelivered: Counter::default(),
            sources: Sources::default(),
            attempt: attempt.map(|outcome| (outcome_name(outcome), Histogram::new(ATTEMPT))),
            failed: [
                (Verdict::Permanent, "PERMANENT", Counter::default()),
                (Verdict::Exhausted, "EXHAUSTED", Counter::default()),
                (Verdict::Poison, "POISON", Counter::default()),
            ],
            reclaimed: Counter::default(),
            circuit_opened: Counter::default(),
            now: Mutex::new(Now {
                circuit: Circuit::Closed,
                because: None,
                lease_until: None,
                needs_lease: false,
            }),
            in_flight: AtomicU64::new(0),
            prefetch: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// So many deliveries have come to this.
    pub(crate) fn delivered(&self, to: Delivered, deliveries: usize) {
        // The list above is in this order.
        self.delivered[to as usize].add(deliveries as u64);
    }

    /// So many deliveries may have come before.
    pub(crate) fn redelivered(&self, deliveries: usize) {
        self.redelivered.add(deliveries as u64);
    }

    /// A call has ended. Returns where the end of its transaction is to be counted.
    pub(crate) fn attempted(&self, source: &SourceName, attempt: &Attempt) -> Arc<OfSource> {
        let of_source = self.sources.of(Some(source));
        of_source.attempted(attempt.outcome);
        let name = outcome_name(attempt.outcome);
        if let Some((_, took)) = self.attempt.iter().find(|(known, _)| *known == name) {
            took.took(attempt.took);
        }
        of_source
    }

    /// What is counted where nobody knows whose it is.
    pub(crate) fn together(&self) -> Arc<OfSource> {
        self.sources.of(None)
    }

    /// The work at a transaction was given up.
    pub(crate) fn failed(&self, verdict: Verdict) {
        if let Some((.., count)) = self.failed.iter().find(|(known, ..)| *known == verdict) {
            count.inc();
        }
    }

    /// So many ids of dead consumers were made due.
    pub(crate) fn reclaimed(&self, ids: usize) {
        self.reclaimed.add(ids as u64);
    }

    /// How it is now.
    pub(crate) fn is_now(
        &self,
        (in_flight, prefetch): (usize, u32),
        (appetite, because): (Appetite, Option<&'static str>),
        (needs_lease, lease_until): (bool, Option<Instant>),
    ) {
        self.in_flight.store(in_flight as u64, Ordering::Relaxed);
        self.prefetch.store(u64::from(prefetch), Ordering::Relaxed);
        let circuit = match appetite {
            Appetite::Full => Circuit::Closed,
            Appetite::Probes(_) => Circuit::HalfOpen,
            Appetite::Nothing => Circuit::Open,
        };
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if circuit == Circuit::Open && now.circuit != Circuit::Open {
            self.circuit_opened.inc();
        }
        *now = Now {
            circuit,
            because,
            lease_until,
            needs_lease,
        };
    }

    /// How the circuit is, and why it is not closed.
    pub fn circuit(&self) -> (Circuit, Option<&'static str>) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        (now.circuit, now.because)
    }
}

/// How long ago a webhook came, by its row's id and this machine's clock. Another machine has made the id, by a clock that
/// may differ.
pub(crate) fn age(id: Uuid, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    // A UUID version 7 begins with its milliseconds since 1970.
    let came = Duration::from_millis((id.as_u128() >> 80) as u64);
    now.saturating_sub(came)
}

impl Figures for Metrics {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counters(
            (
                "hookline_deliveries",
                "What became of deliveries from the queue",
            ),
            (DELIVERED.iter().zip(&self.delivered))
                .map(|((_, name), count)| ([("outcome", *name)], count.get())),
        )?;
        page.counters(
            (
                "hookline_redelivered",
                "Deliveries that may have come before",
            ),
            [([], self.redelivered.get())],
        )?;
        page.gauges(
            (
                "hookline_in_flight",
                "Transactions between delivery and settlement",
            ),
            [([], self.in_flight.load(Ordering::Relaxed) as f64)],
        )?;
        page.gauges(
            (
                "hookline_prefetch",
                "How many transactions may be in flight",
            ),
            [([], self.prefetch.load(Ordering::Relaxed) as f64)],
        )?;
        self.write_work(page)?;
        page.counters(
            (
                "hookline_reclaimed",
                "Transactions that were made due again when their consumer had died",
            ),
            [([], self.reclaimed.get())],
        )?;
        page.counters(
            ("hookline_circuit_opened", "How often the circuit opened"),
            [([], self.circuit_opened.get())],
        )?;
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        page.gauges(
            (
                "hookline_circuit_state",
                "1 for the state in which the circuit breaker before downstream is",
            ),
            CIRCUIT.map(|(state, name)| {
                ([("state", name)], f64::from(u8::from(now.circuit == state)))
            }),
        )?;
        let left = |until: Instant| {
            until
                .saturating_duration_since(Instant::now())
                .as_secs_f64()
        };
        let left = now.lease_until.map_or(0.0, left);
        page.gauges(
            (
                "hookline_lease_seconds_left",
                "How long the consumer's lease runs; 0 without one. A process that has a SQLite file for itself needs none",
            ),
            now.needs_lease.then_some(([], left)),
        )
    }
}

impl Metrics {
    fn write_work(&self, page: &mut Page<'_>) -> fmt::Result {
        let sources = self.sources.all();
        let each = sources.iter();
        page.counters(
            (
                "hookline_attempts",
                "Calls to downstream, by what came of them",
            ),
            each.clone().flat_map(|(source, of_source)| {
                let attempts = of_source.attempts();
                attempts.map(|(outcome, count)| {
                    ([("source", source.as_str()), ("outcome", outcome)], count)
                })
            }),
        )?;
        page.histograms(
            (
                "hookline_attempt_seconds",
                "How long calls to downstream took",
            ),
            self.attempt
                .each_ref()
                .map(|(outcome, took)| ([("outcome", *outcome)], took.snapshot())),
        )?;
        page.histograms(
            (
                "hookline_end_to_end_seconds",
                "From a webhook's arrival, by the clock of whoever received it, to the commit of its transaction's end",
            ),
            each.flat_map(|(source, of_source)| {
                let ends = of_source.end_to_end();
                ends.map(|(status, took)| {
                    ([("source", source.as_str()), ("status", status)], took.snapshot())
                })
            }),
        )?;
        page.counters(
            (
                "hookline_failed",
                "Transactions that became FAILED, by verdict",
            ),
            (self.failed.iter()).map(|(_, verdict, count)| ([("verdict", *verdict)], count.get())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_at_its_place() {
        for (at, (delivered, _)) in DELIVERED.iter().enumerate() {
            assert_eq!(*delivered as usize, at);
        }
    }

    #[test]
    fn the_age_of_a_webhook_is_read_from_its_id() {
        let now = SystemTime::now();
        let id = Uuid::now_v7();
        assert!(age(id, now) < Duration::from_secs(5));
        let later = now + Duration::from_secs(60);
        assert!(age(id, later) > Duration::from_secs(50));
        // By a clock that is ahead of ours.
        assert_eq!(age(id, now - Duration::from_secs(60)), Duration::ZERO);
    }
}
