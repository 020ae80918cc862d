//! Whose failure it was.

use super::recent::Reason;
use crate::work::signal::Signal;

/// Whom an attempt that did not succeed is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// Its transaction.
    Transaction,
    /// The service as a whole: the transaction is none the nearer to its last attempt.
    Service,
    /// Our own haste: the service has asked for fewer calls.
    Pace,
    /// What is short here.
    Nobody,
}

/// What began before the circuit opened, and what probes it, fails because of the service.
pub(super) fn charge_while_open(reason: Reason, signal: Signal, otherwise: Charge) -> Charge {
    match signal {
        Signal::Failed | Signal::Unreachable | Signal::Limited => Charge::Service,
        Signal::Refused if reason == Reason::Refusing => Charge::Service,
        _ => otherwise,
    }
}
