//! Proof: the benchmark, and the faults.
//!
//! Owns the load, what is broken meanwhile, and what must hold all the same: figures and a checker, and the documents that
//! are written from their results.
//!
//! Refuses to know the product from the inside: of the workspace it uses `testbed`, for its servers, and `failpoint`, for
//! the names of the points. Nothing depends on it. Benchmark and faults know the binary, its settings, HTTP and the tables.
//! They never touch a server or a process that they did not start.

pub mod bench;
pub mod chaos;

mod database;
mod document;
mod hookline;
mod machine;
mod median;
mod servers;
mod stripe;

use testbed::queues;
