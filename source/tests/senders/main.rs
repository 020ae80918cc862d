//! What requests come to: real ones, bad ones, and any.
//!
//! `tests/vectors.json` has requests of real senders, and says of each whether its sender has published it or it was computed,
//! with another program.

#![cfg(test)]

mod bad_input;
mod corpus;
mod descriptions;
mod faults;
mod handshakes;
mod own;
mod proofs;
mod properties;
mod sending;
mod settings;
mod vector;
mod vectors;
