//! Process: from the delivery to the ack. Taking, finishing and putting back are a statement each, and each is two
//! steps here, for its sender may die in between.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Entry, Hand, Life, Row, Run, State},
};

/// What consumers can do next, and what of statements of dead ones is still under way.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (consumer, id) in protocol.consumers_and_ids() {
        let running = state.runs(consumer);
        let Hand { run, unacked } = state.consumers[consumer].hands[id];
        match run {
            Run::Idle if running && unacked > 0 => actions.push(Action::Take { consumer, id }),
            Run::Taking => actions.push(Action::CommitTake { consumer, id }),
            Run::Working if running => {
                actions.push(Action::WorkDone { consumer, id });
                if protocol.has(Flaw::AckBeforeCommit) && unacked > 0 {
                    actions.push(Action::Ack { consumer, id });
                }
            }
            Run::Finishing => actions.push(Action::CommitFinish { consumer, id }),
            Run::Releasing => actions.push(Action::CommitRelease { consumer, id }),
            Run::Settling if running => actions.push(Action::Ack { consumer, id }),
            Run::Idle | Run::Working | Run::Settling => {}
        }
    }
}

/// What the broker can deliver.
pub(crate) fn deliveries(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (consumer, id) in protocol.consumers_and_ids() {
        let run = state.consumers[consumer].hands[id].run;
        let listens = state.runs(consumer) && joins(protocol, run);
        if state.webhooks[id].ready > 0 && listens {
            actions.push(Action::Deliver { consumer, id });
        }
    }
}

/// Whether a delivery that arrives now settles together with the run that it meets.
///
/// While a statement is under way whose outcome may be that somebody else is to go on, it must not: it may have been
/// published because of that very outcome, and would be acked with what came before it. It is set aside and taken on
/// its own afterwards, which here is the same as leaving it in the queue.
fn joins(protocol: &Protocol, run: Run) -> bool {
    match run {
        Run::Idle | Run::Working | Run::Finishing => true,
        Run::Taking | Run::Releasing => protocol.has(Flaw::JoinDuringStatement),
        Run::Settling => false,
    }
}

pub(crate) fn deliver(state: &mut State, consumer: usize, id: usize) {
    state.webhooks[id].ready -= 1;
    state.consumers[consumer].hands[id].unacked += 1;
}

/// A statement is sent, or the work begins or ends: only the process itself knows.
pub(crate) fn proceed(state: &mut State, consumer: usize, id: usize, run: Run) {
    state.consumers[consumer].hands[id].run = run;
}

pub(crate) fn commit_take(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let run = if take(protocol, state, consumer, id) {
        Run::Working
    } else {
        Run::Settling
    };
    hear(state, consumer, id, run);
}

/// The statement that takes. Returns whether the id is this consumer's now; if not, it is final, or somebody else who
/// is alive has it, and the message has done its duty.
///
/// That the taker's own lease is alive is checked as the statement begins, when it was; the row it may have to wait
/// for. So a statement can take an id for a consumer whose lease has ended meanwhile, and has even been reclaimed.
pub(crate) fn take(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) -> bool {
    if state.runs(consumer) && !state.alive(consumer) {
        return false;
    }
    let Some(Entry { holder, .. }) = state.webhooks[id].entry else {
        return false;
    };
    let free = match holder {
        None => true,
        Some(holder) if holder == consumer => true,
        Some(_) if protocol.has(Flaw::TakeOnlyWhatIsFree) => false,
        Some(holder) => !state.alive(holder),
    };
    if let (true, Some(entry)) = (free, &mut state.webhooks[id].entry) {
        entry.holder = Some(consumer);
        entry.due = Due::Later;
    }
    free
}

pub(crate) fn commit_finish(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    finish(protocol, state, consumer, id);
    hear(state, consumer, id, Run::Settling);
}

/// The statement that finishes: where this consumer holds the entry and the row is not final, both at once.
pub(crate) fn finish(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let holds = holds(state, consumer, id);
    let webhook = &mut state.webhooks[id];
    let processing = webhook.row == Row::Processing;
    let applies = match protocol.flaw {
        Some(Flaw::UnconditionalFinish) => true,
        Some(Flaw::StaleLeaseAccepted) => processing,
        Some(Flaw::FinishByHolderAlone) => holds,
        _ => holds && processing,
    };
    if applies {
        webhook.row = Row::Final;
        webhook.finished += 1;
        webhook.entry = None;
        state.broken.fenced |= !holds;
    }
}

pub(crate) fn commit_release(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    release(protocol, state, consumer, id);
    hear(state, consumer, id, Run::Settling);
}

/// The statement that puts an id back for a later attempt, where this consumer holds it.
pub(crate) fn release(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let holds = holds(state, consumer, id);
    if let Some(entry) = &mut state.webhooks[id].entry
        && (holds || protocol.has(Flaw::StaleLeaseAccepted))
    {
        entry.holder = None;
        entry.due = Due::Retry;
        state.broken.fenced |= !holds;
    }
}

pub(crate) fn ack(state: &mut State, consumer: usize, id: usize) {
    let webhook = &state.webhooks[id];
    let in_other_hands = webhook
        .entry
        .is_some_and(|entry| entry.holder != Some(consumer));
    let hand = &mut state.consumers[consumer].hands[id];
    if hand.unacked > 0 && webhook.row != Row::Final && !in_other_hands {
        state.broken.ack = true;
    }
    hand.unacked = 0;
    if hand.run == Run::Settling {
        hand.run = Run::Idle;
    }
}

fn holds(state: &State, consumer: usize, id: usize) -> bool {
    state.webhooks[id]
        .entry
        .is_some_and(|entry| entry.holder == Some(consumer))
}

/// The answer to a statement comes back. The dead hear nothing, and the fenced do not listen.
fn hear(state: &mut State, consumer: usize, id: usize, run: Run) {
    let consumer = &mut state.consumers[consumer];
    consumer.hands[id].run = match consumer.life {
        Life::Running => run,
        Life::Unborn | Life::Gone => Run::Idle,
    };
}
