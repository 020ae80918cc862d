//! What goes over the wire, as the document describes it. Data: it knows the rows that it is made of, and nothing of who asks.

mod accepted;
mod amount;
mod attempt;
mod failure;
mod health;
mod status;
mod tag;
mod transaction;
mod webhook;

pub(crate) use accepted::Accepted;
use amount::{Amount, SentAmount};
pub(crate) use attempt::{Attempt, AttemptList};
use failure::Failure;
pub(crate) use health::{Alive, Ready};
use status::Status;
pub(crate) use tag::Tag;
pub(crate) use transaction::Transaction;
pub(crate) use webhook::Webhook;
