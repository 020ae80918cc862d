//! Proof: the private servers that the tests run on, and the benchmark.
//!
//! Owns the starting, crashing, restarting and clearing up of PostgreSQL and RabbitMQ servers of its own, from the
//! installed binaries, on free ports, in temporary folders; and what a test asks of such servers from the outside.
//!
//! Refuses to know the product from the inside: nothing here depends on another crate of the workspace, and no crate of
//! the product depends on this one. The benchmark knows the binary, its settings, HTTP and the tables. It
//! never touches a server or a process that it did not start.

pub mod bench;
pub mod given;
pub mod management;
pub mod postgres;
pub mod rabbitmq;
pub mod tls;

mod folder;
mod ports;
mod process;
