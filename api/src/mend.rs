//! What operators do over HTTP: they retry, replay or give up one transaction ([`one`]), retry all failed ones that match
//! ([`many`]), and pause and resume processing ([`pauses`]). Each act is committed with its line of the [`audit`].
//!
//! Whoever asks in another way [`act`](act())s and reads a [`filter`](filter()) in the same way.
//!
//! In the order of one request: [`asked`] (what is asked for, read strictly), [`operators`] (who does it, on which connection),
//! and [`answer`].

mod act;
mod answer;
mod asked;
pub(crate) mod audit;
mod filter;
pub(crate) mod many;
mod members;
pub(crate) mod one;
mod operators;
pub(crate) mod pauses;
mod unclear;

pub use act::{Act, Outcome, act};
pub use filter::{RATE, Written, filter, rate};
pub(crate) use operators::Operators;
