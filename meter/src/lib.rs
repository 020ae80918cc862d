//! Figures. Owns how they are counted (a [`Counter`], a [`Histogram`]: atomics in the hands of whoever counts, nothing is
//! looked up) and how they are written ([`Registry`], [`Page`]) when somebody scrapes them. Knows nothing of what they
//! mean, and nothing of HTTP; no other crate names prometheus-client.
//!
//! Whoever has figures keeps them as it likes and writes them when asked: see [`Figures`].

mod counter;
mod histogram;
mod page;
mod registry;

pub use counter::Counter;
pub use histogram::{Buckets, Histogram, Snapshot};
pub use page::Page;
pub use registry::{Figures, Format, Registry};
