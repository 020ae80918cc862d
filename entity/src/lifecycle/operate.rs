//! What operators do to transactions: [`retry`](retry()) what has failed, one or in [`bulk`]; [`replay`](replay()) what is
//! processed; [`give_up`](give_up()) what is unfinished; [`pause`] processing. Each commits its line of the [`audit`] with its
//! effect.
//!
//! Only here does a transaction leave `FAILED`. Nobody leaves `PROCESSED`.

pub mod audit;
pub mod bulk;
mod by;
mod give_up;
pub mod pause;
mod reopen;
mod replay;
mod retry;
mod standing;

pub use by::{By, NotReason, Reason, Who};
pub use give_up::{GivenUp, give_up};
pub use replay::{Replayed, replay};
pub use retry::{Retried, retry};
