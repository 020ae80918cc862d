//! What must hold, whatever happens.

use stateright::Property;

use crate::{
    Protocol, calm,
    state::{Due, Life, Row, Run, State, Webhook},
};

pub const RECEIPT: &str = "202 => the row exists";
pub const ONCE: &str = "final at most once, and never back";
pub const ACK: &str = "ack => final, or in other hands";
pub const OUTBOX: &str = "unfinished <=> in the outbox";
pub const ONE_RUN: &str = "no two runs of one id at a time";
pub const FENCED: &str = "who does not hold an id changes nothing";
pub const PUT_OFF: &str = "put off => a message is on its way";
pub const ALL_FINAL: &str = "quiet => all final";
pub const LEASES: &str = "a run has a lease";

/// All the promises.
pub(crate) fn promises() -> Vec<Property<Protocol>> {
    vec![
        Property::always(RECEIPT, |_: &Protocol, state: &State| !state.broken.receipt),
        Property::always(ONCE, |_: &Protocol, state: &State| {
            state.webhooks.iter().all(once)
        }),
        Property::always(ACK, |_: &Protocol, state: &State| !state.broken.ack),
        Property::always(OUTBOX, |_: &Protocol, state: &State| {
            state.webhooks.iter().all(outbox)
        }),
        Property::always(ONE_RUN, one_run),
        Property::always(FENCED, |_: &Protocol, state: &State| !state.broken.fenced),
        Property::always(PUT_OFF, put_off),
        Property::always(ALL_FINAL, calm::all_get_final),
        Property::always(LEASES, a_run_has_a_lease),
    ]
}

fn once(webhook: &Webhook) -> bool {
    webhook.finished == u8::from(webhook.row == Row::Final)
}

fn outbox(webhook: &Webhook) -> bool {
    webhook.entry.is_some() == (webhook.row == Row::Processing)
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

/// Why nobody waits a quarter of an hour unless the broker has lost something: an entry that nobody holds, and that
/// is due only then or never, has a message in the queue or in a consumer's hands.
fn put_off(protocol: &Protocol, state: &State) -> bool {
    protocol.ids().all(|id| {
        let waits = state.webhooks[id].entry.is_some_and(|entry| {
            entry.holder.is_none() && matches!(entry.due, Due::Later | Due::Never)
        });
        !waits || state.messages(id) > 0 || state.queue_lost
    })
}

/// Who works on an id holds it under a lease that the database takes for alive.
fn a_run_has_a_lease(protocol: &Protocol, state: &State) -> bool {
    protocol.consumers_and_ids().all(|(consumer, id)| {
        let works = state.runs(consumer) && state.consumers[consumer].hands[id].run == Run::Working;
        let holds = state.webhooks[id]
            .entry
            .is_some_and(|entry| entry.holder == Some(consumer));
        !works || (holds && state.alive(consumer))
    })
}
