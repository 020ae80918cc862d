//! Traces. Owns which trace a span belongs to, which traces are kept, how spans wait for their export, and how they are
//! written (OTLP). Knows nothing of HTTP, and nothing of who makes a span and why; no other crate names prost.
//!
//! A row's id is its trace's id, and the span of its arrival has an id that is made from it. So whoever has the row's id, in
//! whatever process and after whatever crash, hangs its spans into the same trace, and nothing need travel with a message.
//!
//! ```text
//! Tracer::record ─▶ a bounded channel ─▶ export::run: a batch ─▶ wire ─▶ the collector
//!        └ full: dropped, and counted              └ not taken: tried again, then given up, and counted
//! ```

mod counts;
mod export;
mod ids;
mod remote;
mod sampler;
mod span;
mod tracer;
mod wire;

pub use export::{Batches, Exporting, NotTaken, start};
pub use ids::SpanId;
pub use remote::{Remote, traceparent};
pub use sampler::{BadSampler, Sampler};
pub use span::{Kind, Span, Value};
pub use tracer::{Destination, Settings, Tracer, Waiting, channel};
pub use wire::Attribute;
