//! Each rule of the protocol is needed, or is known to be a second lock on the same door: without it, the model says
//! which promises break, all of them, and shows how.
//!
//! `cargo test -p model --test flaws -- --nocapture` prints the counterexamples, step by step.

use std::collections::BTreeSet;

use model::{
    ACK, ALL_FINAL, Action, Bounds, FENCED, Flaw, LEASES, ONCE, ONE_RUN, OUTBOX, PUT_OFF, Protocol,
    RECEIPT,
};
use stateright::{Checker, HasDiscoveries, Model};

/// Large enough for every flaw, and searched in a second or two.
const WORLD: Bounds = Bounds {
    ids: 1,
    apis: 1,
    consumers: 2,
    faults: 2,
    messages: 2,
};

/// Searches all of the flawed world, compares what breaks in it with what should, and prints a short way to the
/// first.
#[track_caller]
fn breaks(flaw: Flaw, promises: &[&'static str]) {
    let checked = Protocol::flawed(WORLD, flaw)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    let broken: BTreeSet<_> = checked
        .model()
        .properties()
        .iter()
        .filter(|property| property.expectation.discovery_is_failure())
        .map(|property| property.name)
        .filter(|name| checked.discovery(name).is_some())
        .collect();
    assert_eq!(broken, promises.iter().copied().collect());
    if let Some(promise) = promises.first() {
        println!("{flaw:?} breaks: {promise}");
        for action in counterexample(flaw, promise) {
            println!("- {action:?}");
        }
    }
}

/// The steps up to the one that breaks the promise. Found breadth first, on one thread and only until the promise
/// breaks, which gives nearly the fewest steps there are.
#[track_caller]
fn counterexample(flaw: Flaw, promise: &'static str) -> Vec<Action> {
    let checked = Protocol::flawed(WORLD, flaw)
        .checker()
        .finish_when(HasDiscoveries::AllOf([promise].into()))
        .spawn_bfs()
        .join();
    let kept = checked.model().property(promise).condition;
    // What a step has broken stays broken, so the checker may have gone some steps further.
    checked
        .assert_any_discovery(promise)
        .into_vec()
        .into_iter()
        .take_while(|(state, _)| kept(checked.model(), state))
        .filter_map(|(_, action)| action)
        .collect()
}

#[test]
fn a_202_before_the_commit_can_be_a_202_for_nothing() {
    breaks(Flaw::AnswerBeforeCommit, &[RECEIPT]);
}

#[test]
fn publishing_without_an_outbox_loses_what_a_crash_cuts_off() {
    breaks(
        Flaw::PublishWithoutOutbox,
        &[ALL_FINAL, OUTBOX, ACK, PUT_OFF],
    );
}

#[test]
fn a_duplicate_that_begins_anew_takes_a_final_row_back() {
    breaks(Flaw::Upsert, &[ONCE, ONE_RUN, PUT_OFF, LEASES]);
}

#[test]
fn marked_before_the_confirm_what_the_broker_never_got_is_forgotten() {
    breaks(Flaw::MarkBeforeConfirm, &[PUT_OFF, ALL_FINAL]);
}

#[test]
fn marked_for_ever_what_the_broker_loses_is_lost() {
    breaks(Flaw::MarkForEver, &[ALL_FINAL]);
}

/// Nothing is lost, but an attempt that was to be made in seconds waits for a quarter of an hour.
#[test]
fn a_late_note_puts_off_a_retry() {
    breaks(Flaw::NoteOverNewerDueTime, &[PUT_OFF]);
}

/// Nothing is lost here either.
#[test]
fn a_message_that_joins_a_statement_under_way_can_be_acked_unheard() {
    breaks(Flaw::JoinDuringStatement, &[PUT_OFF]);
}

#[test]
fn without_a_sweep_a_crash_before_publishing_is_for_ever() {
    breaks(Flaw::NoSweep, &[ALL_FINAL]);
}

/// The classical fault costs the ack its meaning, and no webhook: the outbox and the lease bring the id back.
#[test]
fn acked_before_the_commit_a_message_is_gone_and_its_webhook_is_not() {
    breaks(Flaw::AckBeforeCommit, &[ACK]);
}

#[test]
fn an_unconditional_finish_finishes_twice() {
    breaks(Flaw::UnconditionalFinish, &[ONCE, FENCED, LEASES]);
}

/// The status alone still keeps the row from getting final twice. But a late write frees what somebody else works on.
#[test]
fn a_stale_lease_that_is_accepted_lets_two_work_at_once() {
    breaks(Flaw::StaleLeaseAccepted, &[ONE_RUN, FENCED, LEASES]);
}

/// The second lock: either condition of the finish keeps the row from getting final twice.
#[test]
fn the_holder_alone_would_do_as_the_condition_of_the_finish() {
    breaks(Flaw::FinishByHolderAlone, &[]);
}

/// And nothing ends well while one that has no lease any more takes the messages and acks what it may not have.
#[test]
fn without_self_fencing_two_work_at_once() {
    breaks(
        Flaw::NoSelfFencing,
        &[ONE_RUN, ACK, PUT_OFF, ALL_FINAL, LEASES],
    );
}

/// A statement that was sent before its sender died can take an id after the sender was reclaimed. Nobody would ever
/// reclaim that one again.
#[test]
fn taking_only_what_is_free_leaves_an_id_with_the_dead() {
    breaks(Flaw::TakeOnlyWhatIsFree, &[ALL_FINAL]);
}

/// The second lock: whoever gets a message may take what a dead consumer held. The reclaim only saves time.
#[test]
fn without_a_reclaim_everything_still_gets_final() {
    breaks(Flaw::NoReclaim, &[]);
}
