//! Which sources there are: read from `SOURCES_FILE` and from variables named `SOURCE_…`, and read again while the process
//! runs.
//!
//! In the order in which they are made: [`declaration`] (a source as somebody has declared it, by [`variables`] or in a
//! [`document`]), [`secret`] (what its references refer to, with its files, which are [read again](crate::reread)), [`build`] (what judges requests, tested),
//! [`assembly`] (all of them) and [`watch`] (again, every few seconds). [`told`] is what the log says of them, and [`command`]
//! what an operator can ask. [`silence`] is how long each may be silent.

mod assembly;
mod build;
pub mod command;
mod declaration;
mod document;
mod name;
#[cfg(test)]
mod scene;
mod secret;
mod silence;
mod told;
mod variables;
mod watch;

pub use silence::rules as silence_rules;
pub use variables::is_ours as is_variable;
pub use watch::Watch;
