//! What must hold, whatever happens.

use stateright::Property;

use crate::{
    Protocol, calm,
    state::{Due, Lease, Life, Queue, Row, Run, State, Webhook},
};

pub const RECEIPT: &str = "202 => the row exists";
pub const ONCE: &str = "final at most once, and back only from failed by an operator";
pub const ACK: &str = "ack => final, or in other hands";
pub const ONE_TABLE: &str = "unfinished or to be replayed <=> in exactly one of outbox and retries";
pub const FAILURES: &str = "failed <=> a row says why";
pub const ONE_RUN: &str = "no two runs of one id at a time";
pub const FENCED: &str = "who does not hold an id changes nothing";
pub const PUT_OFF: &str = "put off => a message is on its way";
pub const ALL_FINAL: &str = "quiet => all final";
pub const LEASES: &str = "a run has a lease";
pub const DEATHS: &str = "a death is counted at most once, and of nobody who lives";

/// All the promises.
pub(crate) fn promises() -> Vec<Property<Protocol>> {
    vec![
        Property::always(RECEIPT, |_: &Protocol, state: &State| !state.broken.receipt),
        Property::always(ONCE, |_: &Protocol, state: &State| {
            state.webhooks.iter().all(once)
        }),
        Property::always(ACK, |_: &Protocol, state: &State| !state.broken.ack),
        Property::always(ONE_TABLE, |_: &Protocol, state: &State| {
            state.webhooks.iter().all(one_table)
        }),
        Property::always(FAILURES, |_: &Protocol, state: &State| {
            let of = |w: &Webhook| w.failure == (w.row == Row::Failed);
            state.webhooks.iter().all(of)
        }),
        Property::always(ONE_RUN, one_run),
        Property::always(FENCED, |_: &Protocol, state: &State| !state.broken.fenced),
        Property::always(DEATHS, |_: &Protocol, state: &State| !state.broken.deaths),
        Property::always(PUT_OFF, put_off),
        Property::always(ALL_FINAL, calm::all_get_final),
        Property::always(LEASES, a_run_has_a_lease),
    ]
}

/// Only an operator takes it back, and only from where the work was given up.
fn once(webhook: &Webhook) -> bool {
    webhook.finished == webhook.reopened + u8::from(webhook.row.is_final())
}

fn one_table(webhook: &Webhook) -> bool {
    let tables = u8::from(webhook.outbox.is_some()) + u8::from(webhook.retry.is_some());
    let is_to_do =
        webhook.row == Row::Processing || (webhook.row == Row::Final && webhook.to_replay);
    tables == u8::from(is_to_do)
}

/// Counts only those that run. The runs of the dead have died with them.
fn one_run(protocol: &Protocol, state: &State) -> bool {
    protocol.ids().all(|id| {
        let runs = state.consumers.iter().filter(|consumer| {
            consumer.life == Life::Running && consumer.hands[id].run == Run::Working
        });
        runs.count() <= 1
    })
}

/// Why nobody waits a quarter of an hour unless the broker has lost something and told nobody: what is due only then,
/// or never, and that no consumer holds or has left to a reclaim, has a message in the queue, in a consumer's hands or on
/// the way back; or the queue is known to be new, and a recovery is to come.
fn put_off(protocol: &Protocol, state: &State) -> bool {
    let is_coming = |id: usize| {
        state.messages(id) > 0
            || state.webhooks[id].returned
            || state.queue != Queue::There
            || state.apis.iter().any(|api| api.news || api.recovery[id])
    };
    protocol.ids().all(|id| {
        let webhook = &state.webhooks[id];
        let is_held = webhook
            .holder()
            .is_some_and(|holder| state.consumers[holder].lease != Lease::None);
        let of_outbox = webhook.outbox.filter(|_| !is_held).map(|entry| entry.due);
        let waits = [of_outbox, webhook.retry]
            .iter()
            .any(|due| matches!(due, Some(Due::Later | Due::Never)));
        !waits || state.purged || is_coming(id)
    })
}

/// Who works on an id holds it under a lease that the database takes for alive.
fn a_run_has_a_lease(protocol: &Protocol, state: &State) -> bool {
    protocol.consumers_and_ids().all(|(consumer, id)| {
        let works = state.runs(consumer) && state.consumers[consumer].hands[id].run == Run::Working;
        let holds = state.webhooks[id].holder() == Some(consumer);
        !works || (holds && state.alive(consumer))
    })
}
