//! State. Owns the tables' SeaORM entities and, in [`lifecycle`], every statement that changes a
//! transaction's life. Knows no HTTP and no broker.
//!
//! The row is the truth: a transaction is what `transactions` says it is, and it is unfinished
//! exactly as long as `outbox` or `retries` holds its id, other than for a replay.

pub mod amount;
pub mod attempt;
pub mod audit;
pub mod bulk_retry;
pub mod conflict;
pub mod currency;
pub mod failure;
pub mod lifecycle;
pub mod name;
pub mod outbox;
pub mod pause;
pub mod payload;
pub mod refusal;
pub mod retry;
mod sql;
mod statement;
pub mod sum;
mod text;
pub mod transaction;
mod waits;
pub mod webhook;

pub use amount::{Amount, ParseAmountError};
pub use attempt::Outcome;
pub use currency::{Currency, ParseCurrencyError};
pub use failure::Verdict;
pub use name::{
    Account, EventType, ParseNameError, ParseSourceNameError, SourceName, TransactionId,
};
pub use refusal::Refusal;
pub use sum::Sum;
pub use transaction::Status;
pub use waits::Waits;
pub use webhook::{Content, Event, Fields, Payload, Payment, Webhook};
