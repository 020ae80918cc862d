//! What is told of the process as a whole, and of the database, for whoever scrapes it.

mod database;
mod process;

pub use database::{Database, Snapshot};
pub use process::Process;
