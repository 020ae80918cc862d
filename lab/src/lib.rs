//! Proof: the private servers that the tests run on, the benchmark, and the faults.
//!
//! Owns the starting, crashing, restarting and clearing up of PostgreSQL, PgBouncer and RabbitMQ servers of its own, from
//! the installed binaries, on free ports, in temporary folders; and what a test asks of such servers from the outside.
//!
//! Refuses to know the product from the inside: nothing here depends on another crate of the workspace, and no crate of
//! the product depends on this one. Benchmark and faults know the binary, its settings, HTTP and the
//! tables. They never touch a server or a process that they did not start.

pub mod bench;
pub mod chaos;
pub mod given;
pub mod management;
pub mod pgbouncer;
pub mod postgres;
pub mod rabbitmq;
pub mod tls;

mod document;
mod folder;
mod hookline;
mod machine;
mod ports;
mod process;
mod servers;
