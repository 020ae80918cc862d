//! The service from the outside: the real binary, real sockets, real databases, a real broker.
//!
//! Tests of the embedded defaults need nothing; the others are ignored by a plain `cargo test` and run
//! by `scripts/test`.

#[cfg(test)]
mod access;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod broker_address;
#[cfg(test)]
mod database_address;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod downstream;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod env_file;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod generated_clients;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod keep;
#[cfg(test)]
mod log;
#[cfg(test)]
mod look;
#[cfg(test)]
mod mend;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod private_pooler;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod receive;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod sources_commands;
#[cfg(test)]
mod sources_settings;
#[cfg(test)]
mod state_machine;
#[cfg(test)]
mod structure;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod traces_settings;
