//! Who was refused: a line in the log and in the ledger for each, up to so many; the others are only counted. Whatever
//! comes of it, nobody waits for it.

mod counts;
mod keep;
mod list;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use entity::Refusal;
use source::{Reason, Request};
use tokio::sync::mpsc;

use crate::{Sender, Sources};
use counts::Counts;
pub(crate) use keep::run;
pub(crate) use list::Refusals;
pub use list::{Wanted, load, read};

/// Lines that may wait for the database.
const LINES_MAX: usize = 1024;
/// Bodies up to this length are tried with other secrets: each costs another MAC. In bytes.
const HINT_BYTES_MAX: usize = 64 * 1024;
/// Sources whose secrets are tried.
const HINT_SOURCES_MAX: usize = 32;

/// Where refusals are noted.
#[derive(Clone)]
pub(crate) struct Ledger {
    counts: Arc<Mutex<Counts>>,
    lines: mpsc::Sender<Refusal>,
}

/// What is to be written.
pub(crate) struct Lines {
    counts: Arc<Mutex<Counts>>,
    lines: mpsc::Receiver<Refusal>,
}

/// A ledger's two ends. The lines end when the last ledger is dropped.
pub(crate) fn channel() -> (Ledger, Lines) {
    let counts = Arc::new(Mutex::new(Counts::new(Instant::now())));
    let (sender, lines) = mpsc::channel(LINES_MAX);
    let ledger = Ledger {
        counts: counts.clone(),
        lines: sender,
    };
    (ledger, Lines { counts, lines })
}

fn with<T>(counts: &Mutex<Counts>, tell: impl FnOnce(&mut Counts) -> T) -> T {
    // A panic in there leaves figures that are a little off, and nothing else.
    tell(&mut counts.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Ledger {
    /// Notes that this request was refused. The sender is told nothing of what is written here, and nothing that is written
    /// here tells a secret.
    pub(crate) fn note(
        &self,
        (sources, sender): (&Sources, &Sender),
        request: &Request<'_>,
        refusal: &source::Refusal,
    ) {
        let reason = refusal.reason;
        let is_written = with(&self.counts, |counts| {
            counts.count(Instant::now(), &sender.name, reason)
        });
        if !is_written {
            return;
        }
        let skew = match reason {
            Reason::Stale { skew } => Some(skew),
            _ => None,
        };
        let hint = hint((sources, sender), request, reason);
        let (source, reason, size) = (&sender.name, reason.name(), request.body.len());
        tracing::warn!(
            event = "webhook_refused",
            source,
            reason,
            skew,
            size,
            hint,
            "a webhook was refused"
        );
        let line = source.parse().ok();
        let line = line.map(|source| Refusal::new(source, reason, skew, request.body));
        if line.is_none_or(|line| self.lines.try_send(line).is_err()) {
            // The database is slow, or gone.
            with(&self.counts, |counts| counts.not_written(&sender.name));
        }
    }
}

/// What an operator may have done wrong.
fn hint(
    (sources, sender): (&Sources, &Sender),
    request: &Request<'_>,
    reason: Reason,
) -> Option<String> {
    if reason != Reason::Mismatch || request.body.len() > HINT_BYTES_MAX {
        return None;
    }
    if let Some(hint) = sender.source.hint(request) {
        return Some(hint.to_string());
    }
    let others = sources.iter().filter(|other| other.name != sender.name);
    let other = others
        .take(HINT_SOURCES_MAX)
        .find(|other| sender.source.fits_secrets_of(&other.source, request))?;
    Some(format!(
        "it fits with a secret of the source {}",
        other.name
    ))
}

#[cfg(test)]
mod tests;
