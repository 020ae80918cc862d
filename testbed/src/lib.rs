//! What tests need: private servers, folders, processes and proxies.
//!
//! Owns the starting, crashing, restarting and clearing up of PostgreSQL, PgBouncer and RabbitMQ servers of its own, from
//! the installed binaries, on free ports, in temporary folders; what a test asks of such servers from the outside; and the
//! program `testbed`, which runs a command on them.
//!
//! Refuses to know the product, but for what its queues are called: nothing here depends on another crate of the workspace,
//! and the product depends on this one only in its tests. It has no HTTP client, and never touches a server or a process
//! that it did not start.

pub mod folder;
pub mod given;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod queues;
pub mod rabbitmq;
pub mod tls;
