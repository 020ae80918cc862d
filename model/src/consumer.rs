//! Process: from the delivery to the settlement. Every statement is two steps here, for its sender may die in between.

use crate::{
    Action, Flaw, Protocol,
    lease::count_death,
    state::{Consumer, Due, Entry, Hand, IDS, Lease, Life, Pause, Row, Run, State, Webhook, bit},
};

/// What consumers can do next, and what of statements of dead ones is still under way.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (consumer, id) in protocol.consumers_and_ids() {
        let it = &state.consumers[consumer];
        let running = state.runs(consumer);
        let Hand { run, unacked, .. } = it.hands[id];
        match run {
            Run::Taking => actions.push(Action::CommitTake { consumer, id }),
            Run::BringingIn => actions.push(Action::CommitBringIn { consumer, id }),
            Run::Finishing => actions.push(Action::CommitFinish { consumer, id }),
            Run::Retrying => actions.push(Action::CommitRetry { consumer, id }),
            Run::Failing => actions.push(Action::CommitFail { consumer, id }),
            Run::Parking => actions.push(Action::CommitPark { consumer, id }),
            Run::Releasing => actions.push(Action::CommitRelease { consumer, id }),
            _ if !running => {}
            Run::Idle if unacked == 0 => {}
            Run::Idle if !it.sick => actions.push(Action::Take { consumer, id }),
            Run::Idle if is_at_rest(it) && !protocol.has(Flaw::HoardWhileSick) => {
                actions.push(Action::HandBack { consumer, id });
            }
            Run::Ordered if !it.sick => match state.pause {
                Pause::Never => actions.push(Action::Begin { consumer, id }),
                // It has heard of the pause, or not yet; of its end, or not yet.
                Pause::InForce => {
                    actions.push(Action::Park { consumer, id });
                    actions.push(Action::Begin { consumer, id });
                }
                Pause::Over => {
                    actions.push(Action::Begin { consumer, id });
                    actions.push(Action::Park { consumer, id });
                }
            },
            Run::Ordered if !protocol.has(Flaw::HoardWhileSick) => {
                actions.push(Action::GiveUp { consumer, id });
            }
            Run::Idle | Run::Ordered => {}
            Run::Working => {
                actions.push(Action::WorkDone { consumer, id });
                // Where nobody reopens anything there is no difference.
                if protocol.bounds.acts > 0 {
                    actions.push(Action::WorkIsRefused { consumer, id });
                }
                if protocol.has(Flaw::AckBeforeCommit) && unacked > 0 {
                    actions.push(Action::Ack { consumer, id });
                }
            }
            Run::NotOurs | Run::Settling => actions.push(Action::Ack { consumer, id }),
            Run::Requeueing => actions.push(Action::HandBack { consumer, id }),
        }
    }
}

/// Whether nothing has been taken that is not at work: then one that cannot work unsubscribes.
fn is_at_rest(consumer: &Consumer) -> bool {
    let runs = consumer.hands.map(|hand| hand.run);
    !runs.iter().any(|run| {
        matches!(
            run,
            Run::Taking | Run::BringingIn | Run::Ordered | Run::Releasing
        )
    })
}

/// What the broker can deliver: to whoever is subscribed and has room.
pub(crate) fn deliveries(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (consumer, id) in protocol.consumers_and_ids() {
        let it = &state.consumers[consumer];
        let has_room =
            it.hands.iter().map(|hand| hand.unacked).sum::<u8>() < protocol.bounds.prefetch;
        let is_subscribed = !it.sick || protocol.has(Flaw::HoardWhileSick);
        let listens = state.runs(consumer) && is_subscribed && joins(protocol, it.hands[id].run);
        if state.webhooks[id].ready > 0 && listens && has_room {
            actions.push(Action::Deliver { consumer, id });
        }
    }
}

/// Whether a delivery that arrives now settles together with the run that it meets.
///
/// While a statement is under way whose outcome may be that somebody else is to go on, it must not: it may have been
/// published because of that very outcome, and would be acked with what came before it. What is final may be gone on with,
/// too, if an operator says so. It goes back to the queue when the outcome is known, which here is the same as staying there.
fn joins(protocol: &Protocol, run: Run) -> bool {
    match run {
        Run::Idle | Run::Ordered | Run::Working | Run::Releasing => true,
        Run::Finishing => protocol.has(Flaw::JoinDuringFinish),
        Run::Failing => protocol.has(Flaw::JoinDuringFail),
        Run::Parking => protocol.has(Flaw::JoinDuringPark),
        Run::Taking | Run::BringingIn | Run::NotOurs => protocol.has(Flaw::JoinDuringTake),
        Run::Retrying => protocol.has(Flaw::JoinDuringRetry),
        Run::Settling | Run::Requeueing => false,
    }
}

pub(crate) fn deliver(state: &mut State, consumer: usize, id: usize) {
    state.webhooks[id].ready -= 1;
    state.consumers[consumer].hands[id].unacked += 1;
}

/// A statement is sent, or the work begins or ends: only the process itself knows.
pub(crate) fn proceed(
    protocol: &Protocol,
    state: &mut State,
    consumer: usize,
    id: usize,
    run: Run,
) {
    let living = state.living();
    let hand = &mut state.consumers[consumer].hands[id];
    hand.run = run;
    hand.living = match protocol.has(Flaw::OldSnapshot) && run == Run::Taking {
        true => living,
        false => 0,
    };
}

pub(crate) fn commit_take(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let run = match take(protocol, state, consumer, id) {
        true => Run::Ordered,
        false => Run::BringingIn,
    };
    hear(state, consumer, id, run);
}

/// The statement that takes from the outbox what no other living consumer holds. Returns whether the id is this
/// consumer's now. If a dead one held it, that death is counted.
///
/// That the taker's own lease is alive is checked as the statement begins, when it was; the row it may have to wait
/// for. So a statement can take an id for a consumer that is dead meanwhile, and has even been reclaimed. The holder is
/// another matter: one whose lease began after the statement did must not be taken for dead.
pub(crate) fn take(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) -> bool {
    let may = may_take(state, consumer);
    let living = match protocol.has(Flaw::OldSnapshot) {
        true => state.consumers[consumer].hands[id].living & state.living(),
        false => state.living(),
    };
    let Some(Entry { holder, .. }) = state.webhooks[id].outbox else {
        return false;
    };
    let free = match holder {
        None => true,
        Some(holder) if holder == consumer => true,
        Some(_) if protocol.has(Flaw::TakeOnlyWhatIsFree) => false,
        Some(holder) => living & bit(holder) == 0,
    };
    if !free || !may {
        return false;
    }
    if let Some(holder) = holder
        && holder != consumer
        && state.consumers[holder].lease == Lease::Dead
    {
        count_death(state, id, holder);
    }
    hold(state, consumer, id);
    true
}

/// Should the consumer have died with it before (its statement was repeated), this is another life and another death.
fn hold(state: &mut State, consumer: usize, id: usize) {
    state.webhooks[id].deaths &= !bit(consumer);
    state.webhooks[id].outbox = Some(Entry {
        due: Due::Later,
        holder: Some(consumer),
    });
}

/// Its lease was alive when the statement began. One that runs and is dead in the database has sent it since.
fn may_take(state: &State, consumer: usize) -> bool {
    !state.runs(consumer) || state.alive(consumer)
}

pub(crate) fn commit_bring_in(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let moved = bring_in(protocol, state, consumer, id);
    let run = match (moved, protocol.has(Flaw::BringInHoldsNothing)) {
        (true, true) => Run::Taking,
        (true, false) => Run::Ordered,
        (false, _) => Run::NotOurs,
    };
    hear(state, consumer, id, run);
}

/// The statement that takes from the retries what does not wait: it moves into the outbox, and into this consumer's
/// hands. Returns whether it has; if not, the id is final, waits, or somebody else has it, and the message has done its
/// duty.
pub(crate) fn bring_in(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) -> bool {
    let is_ready = state.webhooks[id].retry.is_some_and(|due| !due.waits());
    if !is_ready || !may_take(state, consumer) {
        return false;
    }
    hold(state, consumer, id);
    if protocol.has(Flaw::BringInHoldsNothing)
        && let Some(entry) = &mut state.webhooks[id].outbox
    {
        entry.holder = None;
    }
    if !protocol.has(Flaw::BringInCopies) {
        state.webhooks[id].retry = None;
    }
    true
}

pub(crate) fn commit_finish(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    finish(protocol, state, consumer, id);
    hear(state, consumer, id, Run::Settling);
}

/// The statement that finishes: where this consumer holds the entry and the row is not final, both at once. The entry of a
/// replay is gone, and its row stays as it is.
pub(crate) fn finish(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let webhook = &mut state.webhooks[id];
    let holds = webhook.holder() == Some(consumer);
    if end_replay(webhook, holds) || (webhook.number_is_taken && holds) {
        return;
    }
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
        webhook.outbox = None;
        if !holds {
            webhook.retry = None;
        }
        state.broken.fenced |= !holds;
    }
}

/// What a replay ends with, if this is one that the consumer holds. Returns whether it is.
fn end_replay(webhook: &mut Webhook, holds: bool) -> bool {
    let is_replay = holds && webhook.row == Row::Final;
    if is_replay {
        webhook.outbox = None;
        webhook.to_replay = false;
    }
    is_replay
}

pub(crate) fn commit_fail(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    fail(protocol, state, consumer, id);
    hear(state, consumer, id, Run::Settling);
}

/// The statement that gives the work up, where this consumer holds the entry: the row says so, and why. A replay that fails
/// changes nothing.
pub(crate) fn fail(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let webhook = &mut state.webhooks[id];
    let holds = webhook.holder() == Some(consumer);
    if !protocol.has(Flaw::ReplayFails) && end_replay(webhook, holds) {
        return;
    }
    // Two attempts with one number, or two failures of one id, are more than the tables hold.
    if holds && !webhook.number_is_taken && !webhook.failure {
        webhook.row = Row::Failed;
        webhook.finished += 1;
        webhook.failure = true;
        webhook.outbox = None;
    }
}

pub(crate) fn commit_park(state: &mut State, consumer: usize, id: usize) {
    park(state, consumer, id);
    hear(state, consumer, id, Run::Settling);
}

/// The statement that moves an id to the retries because of a pause, where this consumer holds it.
pub(crate) fn park(state: &mut State, consumer: usize, id: usize) {
    let webhook = &mut state.webhooks[id];
    if webhook.holder() == Some(consumer) {
        webhook.outbox = None;
        webhook.retry = Some(Due::Parked);
    }
}

pub(crate) fn commit_retry(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    retry(protocol, state, consumer, id);
    hear(state, consumer, id, Run::Settling);
}

/// The statement that moves an id to the retries for a later attempt, where this consumer holds it.
pub(crate) fn retry(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let webhook = &mut state.webhooks[id];
    let holds = webhook.holder() == Some(consumer);
    if holds && webhook.number_is_taken {
        return;
    }
    if webhook.outbox.is_some() && (holds || protocol.has(Flaw::StaleLeaseAccepted)) {
        webhook.outbox = None;
        webhook.retry = Some(Due::NextAttempt);
        state.broken.fenced |= !holds;
    }
}

/// Gives up what was not begun. The requeue comes after the commit: a message about what is still held here would mean
/// nothing to whoever gets it.
pub(crate) fn give_up(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    proceed(protocol, state, consumer, id, Run::Releasing);
    if protocol.has(Flaw::RequeueBeforeRelease) {
        hand_back(state, consumer, id);
    }
}

pub(crate) fn commit_release(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    release(protocol, state, consumer, id);
    hear(state, consumer, id, Run::Requeueing);
}

/// The statement that gives an id up, where this consumer holds it: anybody may take it at once, and it is due soon, for
/// its message may be gone.
pub(crate) fn release(protocol: &Protocol, state: &mut State, consumer: usize, id: usize) {
    let webhook = &mut state.webhooks[id];
    if webhook.holder() != Some(consumer) {
        return;
    }
    match protocol.flaw {
        Some(Flaw::ReleasePutsOff | Flaw::RequeueBeforeRelease) => {
            webhook.outbox = Some(Entry {
                due: Due::Later,
                holder: None,
            });
        }
        _ => {
            webhook.outbox = None;
            webhook.retry = Some(Due::GivenUp);
        }
    }
}

/// Its deliveries go back to the queue.
pub(crate) fn hand_back(state: &mut State, consumer: usize, id: usize) {
    let hand = &mut state.consumers[consumer].hands[id];
    state.webhooks[id].ready += std::mem::take(&mut hand.unacked);
    if hand.run == Run::Requeueing {
        hand.run = Run::Idle;
    }
}

pub(crate) fn ack(state: &mut State, consumer: usize, id: usize) {
    let webhook = &state.webhooks[id];
    let in_other_hands = webhook.retry.is_some()
        || webhook.holder().is_some_and(|holder| {
            holder != consumer && state.consumers[holder].lease != Lease::None
        });
    let hand = &mut state.consumers[consumer].hands[id];
    let is_to_do = webhook.row == Row::Processing || webhook.has_entry();
    if hand.unacked > 0 && is_to_do && !in_other_hands {
        state.broken.ack = true;
    }
    hand.unacked = 0;
    if matches!(hand.run, Run::NotOurs | Run::Settling) {
        hand.run = Run::Idle;
    }
}

/// The answer to a statement comes back. The dead hear nothing, and the fenced do not listen.
fn hear(state: &mut State, consumer: usize, id: usize, run: Run) {
    let consumer = &mut state.consumers[consumer];
    let next = match consumer.life {
        Life::Running => run,
        // One `take` is several statements, and only its sender sends the next.
        Life::Unborn | Life::Fenced | Life::Gone => Run::Idle,
    };
    consumer.hands[id].run = next;
    consumer.hands[id].living = 0;
}

/// What a process that leaves has in flight is over, but for the statements under way.
pub(crate) fn let_go(consumer: &mut Consumer) {
    for hand in 0..IDS {
        if !consumer.hands[hand].run.is_statement() {
            consumer.hands[hand].run = Run::Idle;
        }
    }
}
