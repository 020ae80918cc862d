//! What goes over the wire, as the document describes it. Data: it knows the rows that it is made of, and nothing of who asks.

mod accepted;
mod amount;
mod attempt;
mod failure;
mod health;
mod payload;
mod raw;
mod source_transaction;
mod status;
mod tag;
mod transaction;
mod webhook;

pub(crate) use accepted::Accepted;
use amount::{Amount, SentAmount};
pub(crate) use attempt::{Attempt, AttemptList};
use failure::Failure;
pub(crate) use health::{Alive, Ready};
pub(crate) use payload::Bytes;
pub(crate) use source_transaction::SourceTransaction;
use status::Status;
pub(crate) use tag::Tag;
pub(crate) use transaction::Transaction;
pub(crate) use webhook::Webhook;
