//! Who may read and who may change anything over HTTP: the tokens of `READ_TOKEN`, `ADMIN_TOKEN` and their files, which are
//! read again while the process runs. In the order in which they are made: [`given`] (one token as it is written),
//! [`assembly`] (all of them) and [`watch`] (again, every few seconds).

mod assembly;
mod given;
mod watch;

pub use given::Given;
pub use watch::Watch;
