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
    /// How many more faults may happen.
    pub faults_left: u8,
    /// Whether the broker has lost its queue once.
    pub queue_lost: bool,
    pub broken: Broken,
}

/// One id: its rows in the database, and its messages in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Webhook {
    pub row: Row,
    /// How often the row has become final. No column: the model counts, so that twice can be told from once.
    pub finished: u8,
    /// Its entry in the outbox.
    pub entry: Option<Entry>,
    /// Messages that wait in the queue.
    pub ready: u8,
}

/// The row in `transactions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    #[default]
    None,
    Processing,
    Final,
}

/// The row in `outbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub due: Due,
    /// The consumer that works on it.
    pub holder: Option<usize>,
    /// Whether a holder has died over it.
    pub crashed: bool,
}

/// What `due_at` says. Not when, for time is left out, but who has written it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// The time has come.
    Now,
    /// Soon: this API has received or claimed it and is about to publish it.
    Claimed(usize),
    /// Soon: a consumer wants it tried again.
    Retry,
    /// In a quarter of an hour: the broker has confirmed it, or a consumer has taken it.
    Later,
    /// Never: only flawed protocols write this.
    Never,
}

/// The memory of a process that receives and publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Api {
    pub requests: [Request; IDS],
    pub relay: [Relay; IDS],
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
    /// The confirm has come, and is not noted in the outbox yet.
    Confirmed,
}

/// A process that consumes, and its row in `consumers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer {
    pub life: Life,
    pub lease: Lease,
    pub hands: [Hand; IDS],
}

/// Whether a consumer takes steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    #[default]
    Unborn,
    Running,
    /// Dead, or fenced by itself, which looks the same from outside: it has let go of its runs and its deliveries. A
    /// statement that it has sent may still commit.
    Gone,
}

/// A consumer's lease, as the database sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// No such row: not registered yet, or deleted.
    #[default]
    None,
    Alive,
    /// The time is over, and nobody has reclaimed what it held.
    Expired,
}

/// What a consumer has in hand of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hand {
    pub run: Run,
    /// Deliveries that it can still ack. None, in the midst of a run, if its connection has been cut.
    pub unacked: u8,
}

/// How far a consumer has come with an id. Of one that is gone it says where death met it, until it is reclaimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    #[default]
    Idle,
    /// The statement that takes it is under way.
    Taking,
    Working,
    /// The work is done, and the statement that finishes it under way.
    Finishing,
    /// The work has failed for now, and the statement that puts it back is under way.
    Releasing,
    /// The outcome is known; the ack is next.
    Settling,
}

/// Promises that were broken on the way here, each in the step that broke it. The states of a sound protocol have
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Broken {
    /// A 202 without a row.
    pub receipt: bool,
    /// An ack for what is neither final nor in other hands.
    pub ack: bool,
    /// A write by a consumer that did not hold the id.
    pub fenced: bool,
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

    /// Whether this process runs, whatever its lease says.
    pub(crate) fn runs(&self, consumer: usize) -> bool {
        self.consumers[consumer].life == Life::Running
    }
}
