//! The protocol as a model: every step that a webhook takes, every place where a process can die in between, checked
//! in every order.
//!
//! Owns the claim that the protocol is right: [`Protocol`] says what can happen, its properties what must hold
//! whatever happens, and [`Flaw`] what a protocol would look like that is not right, so that the model proves it
//! would notice. `model/tests` runs the checker.
//!
//! Refuses to know the product: no crate of the workspace depends on this one, nor this one on any. That the code
//! does what is modelled here is the business of the other tests.
//!
//! ```text
//! state.rs       what the processes, the database and the broker know: the tables, the queue, the memories
//! action.rs      every step by name
//! ingress.rs     receive, commit, 202
//! relay.rs       publish, confirm, note, fall due, sweep
//! consumer.rs    deliver, take, work, finish, ack
//! lease.rs       expire, reclaim
//! faults.rs      crash, fence, stop, cut a connection, lose a queue, …; their number is bounded
//! protocol.rs    these together, as a stateright model
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
//!   due, a lease of a dead consumer expires. So the model covers every choice of times, and clocks that run apart. The
//!   one thing it takes from the clocks is the order that fencing rests on: a consumer stops working before its lease
//!   ends in the database.
//! - *Batches.* A statement for many ids is many statements here, one for each, and their commits may lie apart. That
//!   allows more than the product does.
//! - *The relay's one sweep for all ids*, for the same reason.

mod action;
mod calm;
mod consumer;
mod examples;
mod faults;
mod flaw;
mod ingress;
mod lease;
mod properties;
mod protocol;
mod relay;
mod state;
mod symmetry;

pub use action::Action;
pub use flaw::Flaw;
pub use properties::{ACK, ALL_FINAL, FENCED, LEASES, ONCE, ONE_RUN, OUTBOX, PUT_OFF, RECEIPT};
pub use protocol::{Bounds, Protocol};
pub use state::{
    Api, Broken, Consumer, Due, Entry, Hand, Lease, Life, Relay, Request, Row, Run, State, Webhook,
};
