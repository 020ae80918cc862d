//! What everybody knows at one moment: the database, the broker, and the memory of each process.

/// Ids there is room for; [`Bounds`](crate::Bounds) says how many are in use.
pub(crate) const IDS: usize = 2;
/// API processes there is room for.
pub(crate) const APIS: usize = 2;
/// Consumer processes there is room for, the dead ones among them: each start is a new one.
pub(crate) const CONSUMERS: usize = 5;

/// Everything. Small and without pointers, for there are millions of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    pub webhooks: [Webhook; IDS],
    pub apis: [Api; APIS],
    pub consumers: [Consumer; CONSUMERS],
    pub queue: Queue,
    /// Whether the queue has been lost.
    pub queue_lost: bool,
    /// Whether the broker has lost a message and told nobody.
    pub purged: bool,
    /// How many more faults may happen.
    pub faults_left: u8,
    /// How many more acts an operator may do.
    pub acts_left: u8,
    pub pause: Pause,
    pub broken: Broken,
}

/// The queue itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    #[default]
    There,
    Gone,
    /// Gone, and the database says so; it may be created anew.
    Noted,
}

/// Whether processing is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pause {
    #[default]
    Never,
    InForce,
    /// It is over, and some consumer may not have heard that.
    Over,
}

/// One id: its rows in the database, and its messages in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Webhook {
    pub row: Row,
    /// How often the row has become final. No column: the model counts, so that twice can be told from once.
    pub finished: u8,
    /// How often an operator has reopened it. No column, either.
    pub reopened: u8,
    /// Whether an operator wants its call once more, and nobody has made it. No column: the model remembers.
    pub to_replay: bool,
    /// Its row in `failures`.
    pub failure: bool,
    /// The next attempt has the number of one that is recorded: only a flawed protocol gets here.
    pub number_is_taken: bool,
    /// Its row in `outbox`: it is in the queue or in a consumer's hands, or should be.
    pub outbox: Option<Entry>,
    /// Its row in `retries`, as far as it says when: it is certainly not in the queue, or was published from there.
    pub retry: Option<Due>,
    /// Whose deaths with it in flight have been counted, a bit for each. The product has but the number.
    pub deaths: u8,
    /// Messages that wait in the queue.
    pub ready: u8,
    /// A message has left the queue without a consumer, and is on its way back to a relay.
    pub returned: bool,
    /// A reclaim has found it in dead hands: only a flawed one does not look again.
    pub found_dead: bool,
}

/// The row in `transactions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    #[default]
    None,
    Processing,
    /// The work is done; or given up, where no operator could reopen it.
    Final,
    /// The work is given up, and an operator may reopen it.
    Failed,
}

impl Row {
    /// Whether nothing but an operator moves it on.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Final | Self::Failed)
    }
}

/// The row in `outbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub due: Due,
    /// The consumer that works on it.
    pub holder: Option<usize>,
}

/// What `due_at` says. Not when, for time is left out, but who has written it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// The time has come.
    Now,
    /// In 10 s: it has just been received, and its API is about to publish it.
    Fresh,
    /// In 10 s: this API's relay has claimed it and is about to publish it.
    Claimed(usize),
    /// Soon: a consumer has given it up.
    GivenUp,
    /// In a quarter of an hour: the broker has confirmed it, or a consumer has taken it.
    Later,
    /// At the time of its next attempt, before which nobody may begin (`waits`).
    NextAttempt,
    /// That time has come, and no relay has claimed it: still nobody may begin. Or an operator has just asked for it.
    AttemptNow,
    /// Not before its source's pause is over.
    Parked,
    /// Never: only flawed protocols write this.
    Never,
}

impl Due {
    /// `waits`: nobody may begin on it before a relay has claimed it.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Self::NextAttempt | Self::AttemptNow | Self::Parked)
    }
}

/// The memory of a process that receives and publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Api {
    pub requests: [Request; IDS],
    pub relay: [Relay; IDS],
    /// Of what is on its way: whether it is a retry.
    pub is_retry: [bool; IDS],
    /// Whether the frontier has passed it. Only where a backlog stops the walk, for otherwise the walk finds all.
    pub passed: [bool; IDS],
    /// The queue is new, and this relay has yet to hear of it.
    pub news: bool,
    /// The recovery has yet to come by.
    pub recovery: [bool; IDS],
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    #[default]
    None,
    /// Read, and not committed as far as this process knows.
    Received,
    /// Committed, and not answered.
    Committed,
    /// Answered, and not committed: only a flawed protocol gets here.
    AnsweredEarly,
}

/// How far the relay has come with an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relay {
    #[default]
    Idle,
    /// Told to publish it.
    Told,
    /// On its way to the broker.
    Sent,
    /// The broker has it; its confirm is on the way back.
    Accepted,
    /// The confirm has come, and is not noted in the database yet.
    Confirmed,
}

/// A process that consumes, and its row in `consumers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer {
    pub life: Life,
    pub lease: Lease,
    /// Its circuit is open: it may begin nothing.
    pub sick: bool,
    /// It has created the queue and said so to nobody: only in a flawed protocol.
    pub to_note: bool,
    pub hands: [Hand; IDS],
}

/// Whether a consumer takes steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    #[default]
    Unborn,
    Running,
    /// It has lost its lease by its own clock, has let go of everything, and is about to end its row.
    Fenced,
    /// Dead. A statement that it has sent may still commit.
    Gone,
}

/// A consumer's lease, as the database sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// No such row: not registered yet, or forgotten.
    #[default]
    None,
    Alive,
    /// It has ended it itself: what it held comes back, and it has not died.
    Ended,
    /// Another one has seen it silent for too long, and has marked it.
    Dead,
}

/// What a consumer has in flight of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hand {
    pub run: Run,
    /// Deliveries that it can still settle. None, in the midst of a run, if its connection has been cut.
    pub unacked: u8,
    /// Who lived as the statement under way began, a bit for each. Only a flawed statement goes by that.
    pub living: u8,
}

/// How far a consumer has come with an id. Of one that is gone only the statement under way is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    #[default]
    Idle,
    /// The statement that takes it from the outbox is under way.
    Taking,
    /// That has found nothing; the statement that takes it from the retries is under way.
    BringingIn,
    /// It is this consumer's, and waits for the circuit.
    Ordered,
    Working,
    /// The work is done, and the statement that finishes it under way.
    Finishing,
    /// The work has failed for now, and the statement that puts it among the retries is under way.
    Retrying,
    /// The work has failed for good, and the statement that says so is under way.
    Failing,
    /// It was never begun, because of a pause, and the statement that parks it is under way.
    Parking,
    /// It was never begun, and the statement that gives it up is under way.
    Releasing,
    /// It is final, waits, or is in other hands; the ack is next.
    NotOurs,
    /// The outcome is known; the ack is next.
    Settling,
    /// It is given up; its deliveries go back to the queue.
    Requeueing,
}

impl Run {
    /// Whether a statement is under way, which may commit after its sender's death.
    pub(crate) fn is_statement(self) -> bool {
        use Run::*;
        match self {
            Taking | BringingIn | Finishing | Retrying | Failing | Parking | Releasing => true,
            Idle | Ordered | Working | NotOurs | Settling | Requeueing => false,
        }
    }
}

/// Promises that were broken on the way here, each in the step that broke it. The states of a sound protocol have
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Broken {
    /// A 202 without a row.
    pub receipt: bool,
    /// An ack for what is neither final nor anybody else's to bring on.
    pub ack: bool,
    /// A write by a consumer that did not hold the id.
    pub fenced: bool,
    /// A death was counted a second time, or that of somebody who is not dead.
    pub deaths: bool,
}

impl Webhook {
    /// Whether it is in one of the tables of what is to be done.
    pub(crate) fn has_entry(&self) -> bool {
        self.outbox.is_some() || self.retry.is_some()
    }

    /// The consumer in whose name it is in the outbox.
    pub(crate) fn holder(&self) -> Option<usize> {
        self.outbox.and_then(|entry| entry.holder)
    }
}

impl State {
    /// Messages of an id that the queue holds, and those that are on the way to it.
    pub(crate) fn messages(&self, id: usize) -> u8 {
        let held: u8 = self.consumers.iter().map(|c| c.hands[id].unacked).sum();
        let sent = self
            .apis
            .iter()
            .map(|api| u8::from(api.relay[id] == Relay::Sent));
        self.webhooks[id].ready + held + sent.sum::<u8>()
    }

    /// Whether the database takes this consumer for alive.
    pub(crate) fn alive(&self, consumer: usize) -> bool {
        self.consumers[consumer].lease == Lease::Alive
    }

    /// Those that it takes for alive, a bit for each.
    pub(crate) fn living(&self) -> u8 {
        let alive = (0..CONSUMERS).filter(|&consumer| self.alive(consumer));
        alive.map(bit).sum()
    }

    /// Whether no living consumer holds it.
    pub(crate) fn is_free(&self, id: usize) -> bool {
        !self.webhooks[id].holder().is_some_and(|it| self.alive(it))
    }

    /// Whether this process runs, whatever its lease says.
    pub(crate) fn runs(&self, consumer: usize) -> bool {
        self.consumers[consumer].life == Life::Running
    }

    /// Forgets what nothing can depend on any more, so that states that differ in nothing else are one.
    pub(crate) fn tidy(&mut self) {
        for consumer in 0..CONSUMERS {
            let holds = self.webhooks.iter().any(|w| w.holder() == Some(consumer));
            let it = &mut self.consumers[consumer];
            let is_over = matches!(it.life, Life::Gone | Life::Fenced)
                && !holds
                && !it.hands.iter().any(|hand| hand.run.is_statement());
            if is_over {
                *it = Consumer {
                    life: Life::Gone,
                    ..Consumer::default()
                };
                for webhook in &mut self.webhooks {
                    webhook.deaths &= !bit(consumer);
                }
            }
        }
        let acts_left = self.acts_left;
        for (id, webhook) in self.webhooks.iter_mut().enumerate() {
            if webhook.row.is_final() && !webhook.has_entry() && acts_left == 0 {
                webhook.deaths = 0;
                webhook.returned = false;
                for api in &mut self.apis {
                    api.passed[id] = false;
                    api.recovery[id] = false;
                }
            }
        }
    }
}

/// The bit that stands for a consumer.
pub(crate) fn bit(consumer: usize) -> u8 {
    1 << consumer
}
