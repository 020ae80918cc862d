//! What operators change from the command line: who does it, and why.

pub mod by;
mod confirm;
