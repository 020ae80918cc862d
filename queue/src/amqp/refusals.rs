//! What the broker refuses us: told to whoever asks, and logged at once and then every so often for as long as it lasts.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{Denied, Error};

/// Between two lines about the same: often enough to be found in any stretch of the log, and seldom enough to leave room in it.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Shared by all connections of a process.
#[derive(Default)]
pub(super) struct Refusals(Mutex<State>);

#[derive(Default)]
struct State {
    now: Option<Denied>,
    said: Option<(Denied, Instant)>,
}

impl Refusals {
    /// Notes how an attempt to connect and to declare has ended.
    pub(super) fn note<T>(&self, outcome: &Result<T, Error>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let denied = match outcome {
            Err(Error::Denied(denied)) => Some(*denied),
            _ => None,
        };
        if outcome.is_ok() {
            *state = State::default();
        }
        if let Some(denied) = state.is_to_be_said(denied, Instant::now()) {
            tracing::error!(
                event = "broker_access_refused",
                "AMQP_URL: the broker refuses {denied}; trying on"
            );
        }
    }

    /// What was refused at the last attempt.
    pub(super) fn now(&self) -> Option<Denied> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }
}

impl State {
    /// Takes in what is refused, and returns it if the log is to have it.
    fn is_to_be_said(&mut self, denied: Option<Denied>, at: Instant) -> Option<Denied> {
        self.now = denied;
        let denied = denied?;
        match self.said {
            Some((said, when)) if said == denied && at.duration_since(when) < SAY_EVERY => None,
            _ => {
                self.said = Some((denied, at));
                Some(denied)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_at_once_and_again_when_it_changes_or_lasts() {
        let mut state = State::default();
        let start = Instant::now();
        let mut said = |denied, seconds| {
            let at = start + Duration::from_secs(seconds);
            state.is_to_be_said(denied, at).is_some()
        };
        assert!(said(Some(Denied::Login), 0));
        assert!(!said(Some(Denied::Login), 59));
        assert!(said(Some(Denied::VirtualHost), 59));
        assert!(said(Some(Denied::Login), 60));
        // The broker was away meanwhile.
        assert!(!said(None, 70));
        assert!(!said(Some(Denied::Login), 80));
        assert!(said(Some(Denied::Login), 120));
    }

    #[test]
    fn a_refusal_is_known_until_the_next_attempt_ends_otherwise() {
        let refusals = Refusals::default();
        let denied = Err::<(), _>(Error::Denied(Denied::Login));
        for other in [Ok(()), Err(Error::Full)] {
            assert_eq!(refusals.now(), None);
            refusals.note(&denied);
            assert_eq!(refusals.now(), Some(Denied::Login));
            refusals.note(&other);
        }
        assert_eq!(refusals.now(), None);
    }
}
