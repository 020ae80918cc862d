//! What goes over the wire, as the document describes it. Data: it knows the rows that it is made of, and nothing of who asks.

mod accepted;
mod amount;
mod attempt;
mod conflict;
mod failure;
mod health;
mod payload;
mod raw;
mod repeats;
mod source_transaction;
mod status;
mod summary;
mod tag;
mod transaction;
mod transaction_page;
mod webhook;

pub(crate) use accepted::Accepted;
pub(crate) use amount::AMOUNT_PATTERN;
use amount::{Amount, SentAmount};
pub use attempt::Attempt;
pub(crate) use attempt::AttemptList;
pub(crate) use conflict::{Conflict, ConflictList};
use failure::Failure;
pub(crate) use health::{Alive, Ready};
pub(crate) use payload::{Bytes, File};
use repeats::Repeats;
pub use source_transaction::SourceTransaction;
use status::Status;
pub use summary::{Summary, SummaryLine};
pub(crate) use tag::Tag;
pub(crate) use transaction::Transaction;
pub use transaction_page::TransactionPage;
pub(crate) use webhook::Webhook;
