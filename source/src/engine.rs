//! Proofs: one engine for every sender whose scheme is data.

pub(crate) mod der;
pub(crate) mod equality;
pub(crate) mod key;
pub(crate) mod proof;
mod sign;
pub(crate) mod signed;
mod template;
