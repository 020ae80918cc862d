//! Each rule of the protocol is needed, or is known to be a second lock on the same door: without it, the model says
//! which promise breaks, and shows how.
//!
//! `cargo test -p model --test flaws -- --nocapture` prints the counterexamples, step by step.

use model::{
    ACK, ALL_FINAL, Action, Bounds, DEATHS, FAILURES, FENCED, Flaw, LEASES, ONCE, ONE_RUN,
    ONE_TABLE, PUT_OFF, Protocol, RECEIPT,
};
use stateright::{Checker, HasDiscoveries, Model};

/// Large enough for every flaw, and searched in a few seconds.
const WORLD: Bounds = Bounds {
    ids: 1,
    apis: 1,
    consumers: 2,
    faults: 2,
    acts: 0,
    messages: 2,
    prefetch: 2,
    backlog: true,
};

/// The same with an operator.
const OPERATED: Bounds = Bounds {
    acts: 2,
    faults: 1,
    ..WORLD
};

#[track_caller]
fn breaks(flaw: Flaw, promises: &[&'static str]) {
    breaks_in(WORLD, flaw, promises);
}

/// Searches the flawed world until the promises break that should, and prints a short way to the first of them. Where one
/// breaks others often do in its wake; those are not named.
#[track_caller]
fn breaks_in(world: Bounds, flaw: Flaw, promises: &[&'static str]) {
    let checked = Protocol::flawed(world, flaw)
        .checker()
        .finish_when(HasDiscoveries::AllOf(promises.iter().copied().collect()))
        .spawn_bfs()
        .join();
    for promise in promises {
        let kept = checked.model().property(promise).condition;
        println!("{flaw:?} breaks: {promise}");
        // What a step has broken stays broken, so the checker may have gone some steps further.
        let steps: Vec<Action> = checked
            .assert_any_discovery(promise)
            .into_vec()
            .into_iter()
            .take_while(|(state, _)| kept(checked.model(), state))
            .filter_map(|(_, action)| action)
            .collect();
        for step in steps {
            println!("- {step:?}");
        }
    }
}

/// Searches all of the flawed world: nothing breaks, for another rule keeps the same door shut.
#[track_caller]
fn breaks_nothing(flaw: Flaw) {
    let checked = Protocol::flawed(WORLD, flaw)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    let broken: Vec<_> = checked
        .model()
        .properties()
        .iter()
        .filter(|property| property.expectation.discovery_is_failure())
        .map(|property| property.name)
        .filter(|name| checked.discovery(name).is_some())
        .collect();
    assert_eq!(broken, [""; 0], "{flaw:?}");
}

#[test]
fn a_202_before_the_commit_can_be_a_202_for_nothing() {
    breaks(Flaw::AnswerBeforeCommit, &[RECEIPT]);
}

#[test]
fn publishing_without_an_outbox_loses_what_a_crash_cuts_off() {
    breaks(Flaw::PublishWithoutOutbox, &[ALL_FINAL, ONE_TABLE, ACK]);
}

#[test]
fn a_duplicate_that_begins_anew_takes_a_final_row_back() {
    breaks(Flaw::Upsert, &[ONCE, ONE_RUN, LEASES]);
}

#[test]
fn marked_before_the_confirm_what_the_broker_never_got_is_forgotten() {
    breaks(Flaw::MarkBeforeConfirm, &[PUT_OFF, ALL_FINAL]);
}

#[test]
fn marked_for_ever_what_the_broker_loses_is_lost() {
    breaks(Flaw::MarkForEver, &[ALL_FINAL]);
}

/// Nothing is lost, but what was to be made good in seconds waits for a quarter of an hour, or, while a backlog stands,
/// for ever.
#[test]
fn a_late_note_puts_off_what_has_come_back_since() {
    breaks(Flaw::NoteOverNewerRetry, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn noted_as_published_what_the_broker_refused_is_forgotten() {
    breaks(Flaw::NoteRefused, &[ALL_FINAL, PUT_OFF]);
}

/// The recovery leaves alone what is about to be published or noted; so nothing of before may be noted after it.
#[test]
fn a_note_about_a_lost_queue_puts_off_what_was_in_it() {
    breaks(Flaw::NoteWhatWasLost, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn without_a_look_at_what_is_due_a_crash_before_publishing_is_for_ever() {
    breaks(Flaw::NoSweep, &[ALL_FINAL]);
}

#[test]
fn a_backlog_that_holds_retries_back_holds_them_for_ever() {
    breaks(Flaw::BacklogHoldsRetries, &[ALL_FINAL]);
}

#[test]
fn a_frontier_that_passes_claims_leaves_those_of_a_dead_relay_behind() {
    breaks(Flaw::FrontierPassesClaims, &[ALL_FINAL]);
}

#[test]
fn messages_that_leave_the_queue_unheard_are_lost_under_a_backlog() {
    breaks(Flaw::ForgetReturned, &[ALL_FINAL]);
}

/// Its creator dies in between, and everybody else finds it there.
#[test]
fn a_queue_that_is_created_before_it_is_noted_can_be_new_to_nobody() {
    breaks(Flaw::CreateBeforeNote, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_message_that_joins_a_take_can_be_acked_unheard() {
    breaks(Flaw::JoinDuringTake, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_message_that_joins_a_statement_under_way_can_be_acked_unheard() {
    breaks(Flaw::JoinDuringRetry, &[ALL_FINAL, PUT_OFF]);
}

/// PostgreSQL looks at a row anew after it had to wait for it, but at the table of consumers with the eyes of the
/// statement's beginning (READ COMMITTED, EvalPlanQual).
#[test]
fn a_holder_unknown_to_an_old_snapshot_is_robbed_alive() {
    breaks(Flaw::OldSnapshot, &[ONE_RUN, LEASES]);
}

#[test]
fn a_retry_that_is_moved_before_it_is_held_can_be_left_with_nobody() {
    breaks(Flaw::BringInHoldsNothing, &[ACK, ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_retry_that_is_copied_is_in_both_tables() {
    breaks(Flaw::BringInCopies, &[ONE_TABLE]);
}

/// The second lock: a dead consumer is remembered for longer than its last statement runs, and all that time reclaimed.
#[test]
fn taking_only_what_is_free_is_made_good_by_the_reclaim() {
    breaks_nothing(Flaw::TakeOnlyWhatIsFree);
}

/// The classical fault costs the ack its meaning, and no webhook: the lease brings the id back.
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
    breaks_nothing(Flaw::FinishByHolderAlone);
}

#[test]
fn a_sick_consumer_that_keeps_what_it_has_keeps_it_for_ever() {
    breaks(Flaw::HoardWhileSick, &[ALL_FINAL]);
}

#[test]
fn what_is_given_up_to_its_message_alone_is_lost_with_it() {
    breaks(Flaw::ReleasePutsOff, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_message_that_goes_back_before_its_id_means_nothing_to_who_gets_it() {
    breaks(Flaw::RequeueBeforeRelease, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn without_self_fencing_two_work_at_once() {
    breaks(Flaw::NoSelfFencing, &[ONE_RUN, LEASES]);
}

#[test]
fn who_has_renewed_and_is_buried_works_beside_another() {
    breaks(Flaw::BuryWhoHasRenewed, &[ONE_RUN, LEASES]);
}

#[test]
fn what_an_ended_consumer_held_is_nobodys_to_bring_back() {
    breaks(Flaw::EndForgets, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn without_a_reclaim_what_the_dead_held_waits_for_its_message() {
    breaks(Flaw::NoReclaim, &[ALL_FINAL]);
}

#[test]
fn a_reclaim_that_does_not_look_again_robs_the_living() {
    breaks(Flaw::ReclaimWithoutASecondLook, &[DEATHS, LEASES, ONE_RUN]);
}

#[test]
fn what_is_reclaimed_in_the_outbox_waits_behind_the_backlog() {
    breaks(Flaw::ReclaimMovesNothing, &[ALL_FINAL]);
}

#[test]
fn what_is_reclaimed_and_stays_in_the_outbox_is_in_both_tables() {
    breaks(Flaw::ReclaimCopies, &[ONE_TABLE]);
}

#[test]
fn a_consumer_that_is_forgotten_at_once_can_still_take() {
    breaks(Flaw::ForgetAtOnce, &[ALL_FINAL, PUT_OFF]);
}

/// An operator asks for a replay between the commit and the ack, and its message comes to who has yet to ack.
#[test]
fn a_message_that_joins_a_finish_under_way_can_be_that_of_a_replay() {
    breaks_in(OPERATED, Flaw::JoinDuringFinish, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_message_that_joins_a_failure_under_way_can_be_that_of_a_retry() {
    breaks_in(OPERATED, Flaw::JoinDuringFail, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_message_that_joins_what_is_being_parked_can_be_that_of_the_end_of_the_pause() {
    breaks_in(OPERATED, Flaw::JoinDuringPark, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn what_is_reopened_without_a_look_at_what_it_is_is_processed_twice() {
    breaks_in(OPERATED, Flaw::ReopenAnything, &[ONCE, ONE_TABLE]);
}

/// Two operators, or two bulk retries, would not see each other; and the next failure would find the row there.
#[test]
fn what_is_reopened_and_keeps_its_failure_can_never_fail_again() {
    breaks_in(OPERATED, Flaw::ReopenKeepsFailure, &[FAILURES, ALL_FINAL]);
}

#[test]
fn attempts_that_are_counted_from_one_again_cannot_be_recorded() {
    breaks_in(OPERATED, Flaw::NumbersBeginAnew, &[ACK, ALL_FINAL]);
}

#[test]
fn what_is_reopened_where_the_published_waits_waits_for_a_message_that_nobody_has_sent() {
    breaks_in(OPERATED, Flaw::ReopenIntoOutbox, &[ALL_FINAL, PUT_OFF]);
}

#[test]
fn a_replay_that_touches_the_row_takes_it_back() {
    breaks_in(OPERATED, Flaw::ReplayTouchesRow, &[ONCE]);
}

#[test]
fn a_replay_that_fails_must_not_fail_its_transaction() {
    breaks_in(OPERATED, Flaw::ReplayFails, &[ONCE]);
}

#[test]
fn a_replay_of_what_is_being_replayed_is_in_both_tables() {
    breaks_in(OPERATED, Flaw::ReplayTwice, &[ONE_TABLE]);
}

#[test]
fn what_is_given_up_in_living_hands_goes_on() {
    breaks_in(OPERATED, Flaw::GiveUpInHand, &[LEASES]);
}

#[test]
fn what_is_parked_and_not_unparked_stays_so() {
    breaks_in(OPERATED, Flaw::NoUnpark, &[ALL_FINAL]);
}
