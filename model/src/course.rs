//! What can happen, and what follows from it: who does what.

use crate::{
    Action, Protocol, consumer, faults, ingress, lease, operator, queue, relay,
    state::{Life, Run, State},
};

impl Protocol {
    /// What can happen without a fault and without the sender, the most pressing first and the passing of time last.
    pub(crate) fn progress(&self, state: &State, actions: &mut Vec<Action>) {
        consumer::actions(self, state, actions);
        ingress::actions(self, state, actions);
        relay::actions(self, state, actions);
        consumer::deliveries(self, state, actions);
        queue::actions(self, state, actions);
        lease::actions(self, state, actions);
        operator::actions(self, state, actions);
        relay::looks(self, state, actions);
        relay::clock(self, state, actions);
    }

    pub(crate) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Receive { api, id } => ingress::receive(state, api, id),
            Action::CommitReceive { api, id } => ingress::commit(self, state, api, id),
            Action::Answer202 { api, id } => ingress::answer(self, state, api, id),
            Action::Publish { api, id } => relay::publish(self, state, api, id),
            Action::BrokerAccepts { api, id } => relay::broker_accepts(state, api, id),
            Action::ConfirmArrives { api, id } => relay::confirm_arrives(state, api, id),
            Action::NotePublished { api, id } => relay::note_published(self, state, api, id),
            Action::FallDue { id } => relay::fall_due(state, id),
            Action::ClaimRetry { api, id } => relay::claim_retry(state, api, id),
            Action::PassFrontier { api, id } => relay::pass_frontier(state, api, id),
            Action::Walk { api, id } => relay::walk(state, api, id),
            Action::Recover { api, id } => relay::recover(state, api, id),
            Action::ComeBack { id } => relay::come_back(state, id),
            Action::NoteQueue => queue::note(self, state),
            Action::CreateQueue => queue::create(state),
            Action::HearOfQueue { api } => relay::hear(self, state, api),
            Action::CreateQueueUnnoted { consumer } => queue::create_unnoted(state, consumer),
            Action::NoteQueueLate { consumer } => queue::note_late(self, state, consumer),
            Action::Bury { consumer } => lease::bury(self, state, consumer),
            Action::EndLease { consumer } => lease::end(self, state, consumer),
            Action::Reclaim { id } => lease::reclaim(self, state, id),
            Action::FindDead { id } => state.webhooks[id].found_dead = true,
            Action::Resume => operator::resume(state),
            Action::Unpark { id } => operator::unpark(state, id),
            Action::Reopen { .. }
            | Action::Replay { .. }
            | Action::EndByOperator { .. }
            | Action::Pause => operator::act(self, state, action),
            _ => self.consume(state, action),
        }
        state.tidy();
    }

    fn consume(&self, state: &mut State, action: Action) {
        match action {
            Action::Deliver { consumer, id } => consumer::deliver(state, consumer, id),
            Action::Take { consumer, id } => {
                consumer::proceed(self, state, consumer, id, Run::Taking);
            }
            Action::CommitTake { consumer, id } => consumer::commit_take(self, state, consumer, id),
            Action::CommitBringIn { consumer, id } => {
                consumer::commit_bring_in(self, state, consumer, id);
            }
            Action::Begin { consumer, id } => {
                consumer::proceed(self, state, consumer, id, Run::Working);
            }
            Action::WorkDone { consumer, id } => {
                consumer::proceed(self, state, consumer, id, Run::Finishing);
            }
            Action::WorkIsRefused { consumer, id } => {
                consumer::proceed(self, state, consumer, id, Run::Failing);
            }
            Action::CommitFinish { consumer, id } => {
                consumer::commit_finish(self, state, consumer, id);
            }
            Action::CommitRetry { consumer, id } => {
                consumer::commit_retry(self, state, consumer, id);
            }
            Action::CommitFail { consumer, id } => consumer::commit_fail(self, state, consumer, id),
            Action::GiveUp { consumer, id } => consumer::give_up(self, state, consumer, id),
            Action::Park { consumer, id } => {
                consumer::proceed(self, state, consumer, id, Run::Parking);
            }
            Action::CommitPark { consumer, id } => consumer::commit_park(state, consumer, id),
            Action::CommitRelease { consumer, id } => {
                consumer::commit_release(self, state, consumer, id);
            }
            Action::HandBack { consumer, id } => consumer::hand_back(state, consumer, id),
            Action::Ack { consumer, id } => consumer::ack(state, consumer, id),
            fault => self.fault(state, fault),
        }
    }

    fn fault(&self, state: &mut State, fault: Action) {
        state.faults_left -= 1;
        match fault {
            Action::SendAgain { api, id } => ingress::receive(state, api, id),
            Action::CrashApi { api } => faults::crash_api(state, api),
            Action::CrashConsumer { consumer } => faults::leave(state, consumer, Life::Gone),
            Action::Fence { consumer } => faults::leave(state, consumer, Life::Fenced),
            Action::Stop { consumer } => faults::stop(self, state, consumer),
            Action::Sicken { consumer } => state.consumers[consumer].sick = true,
            Action::LoseConfirms { api } => faults::lose_confirms(state, api),
            Action::BrokerRefuses { api, id } => relay::broker_refuses(self, state, api, id),
            Action::DropConnection { consumer } => faults::drop_connection(state, consumer),
            Action::LoseQueue => faults::lose_queue(state),
            Action::Purge { id } => faults::purge(state, id),
            Action::MessageReturns { id } => faults::message_returns(state, id),
            Action::CommitReceiveUnheard { id, .. } => {
                ingress::insert(self, state, id);
            }
            Action::CommitTakeUnheard { consumer, id } => {
                consumer::take(self, state, consumer, id);
            }
            Action::CommitBringInUnheard { consumer, id } => {
                consumer::bring_in(self, state, consumer, id);
                // The whole of `take` is repeated.
                consumer::proceed(self, state, consumer, id, Run::Taking);
            }
            Action::CommitFinishUnheard { consumer, id } => {
                consumer::finish(self, state, consumer, id);
            }
            Action::CommitRetryUnheard { consumer, id } => {
                consumer::retry(self, state, consumer, id);
            }
            Action::CommitFailUnheard { consumer, id } => {
                consumer::fail(self, state, consumer, id);
            }
            Action::CommitParkUnheard { consumer, id } => consumer::park(state, consumer, id),
            Action::CommitReleaseUnheard { consumer, id } => {
                consumer::release(self, state, consumer, id);
            }
            Action::WorkFails { consumer, id } => {
                consumer::proceed(self, state, consumer, id, Run::Retrying);
            }
            Action::BuryTheLiving { consumer } => lease::bury(self, state, consumer),
            _ => {}
        }
    }
}
