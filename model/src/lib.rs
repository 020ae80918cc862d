//! The protocol as a model: every step that a webhook takes, every place where a process can die in between, checked
//! in every order.
//!
//! Owns the claim that the protocol is right: [`Protocol`] says what can happen, its properties what must hold
//! whatever happens, and [`Flaw`] what a protocol would look like that is not right, so that the model proves it
//! would notice. `model/tests` runs the checker.
//!
//! Refuses to know the product: no crate of the workspace depends on this one, nor this one on any, but for the names of
//! the failpoints. That code and model do not part unnoticed is the business of the table in [`steps`], which says which
//! function each step is and where a process can be made to die beside it, and of its test; that a function does what
//! its step does is the business of the other tests.
//!
//! ```text
//! state.rs       what the processes, the database and the broker know: the tables, the queue, the memories
//! action.rs      every step by name
//! steps.rs       step <-> function <-> failpoint
//! ingress.rs     receive, commit, 202
//! relay.rs       publish, confirm, note, fall due; the looks: retries, frontier, walk, recovery; what comes back
//! queue.rs       a queue that is gone: note, create, hear
//! consumer.rs    deliver, take, work, finish, try again, give up, ack
//! lease.rs       bury, end, reclaim
//! operator.rs    reopen, replay, give up, pause; their number is bounded
//! faults.rs      crash, fence, stop, sicken, cut a connection, lose a queue, refuse, …; their number is bounded
//! course.rs      these together: what can happen, and what follows
//! protocol.rs    the world that is checked, and its flaw if it has one
//! search.rs      all of it, as a stateright model
//! properties.rs  what must hold
//! examples.rs    what must be able to happen
//! calm.rs        what happens if no more faults do: how "all get final at last" is checked
//! symmetry.rs    states that differ in names alone count as one
//! flaw.rs        the protocols that must fail
//! ```
//!
//! What is left out, and why it may be:
//!
//! - *Time.* Nothing here takes a number of seconds. What waits for a time may happen at any moment: a due time falls
//!   due, a silent consumer is buried. So the model covers every choice of times, and clocks that run apart. It takes three
//!   things from the clocks: a consumer stops working before others may bury it; a dead one is remembered for longer
//!   than its last statement runs; and a relay that begins hears of a queue that was created shortly before.
//! - *Batches.* A statement for many ids is many statements here, one for each, and their commits may lie apart. That
//!   allows more than the product does.
//! - *The other webhooks.* A backlog is a world in which no walk ever looks for what the broker may have lost. There all
//!   must get final without it.
//! - *Bulk retries.* They are many reopenings, each with its own precondition. A pause of everything is a consumer that is
//!   sick for a while.
//! - *SQLite.* One process, which holds nothing in anybody's name, is a small part of this.

mod action;
mod calm;
mod consumer;
mod course;
mod examples;
mod faults;
mod flaw;
mod ingress;
mod lease;
mod operator;
mod properties;
mod protocol;
mod queue;
mod relay;
mod search;
mod state;
pub mod steps;
mod symmetry;

pub use action::Action;
pub use flaw::Flaw;
pub use properties::{
    ACK, ALL_FINAL, DEATHS, FAILURES, FENCED, LEASES, ONCE, ONE_RUN, ONE_TABLE, PUT_OFF, RECEIPT,
};
pub use protocol::{Bounds, Protocol};
pub use state::{
    Api, Broken, Consumer, Due, Entry, Hand, Lease, Life, Pause, Queue, Relay, Request, Row, Run,
    State, Webhook,
};
