//! What the same machine does without the service: with no service at all, and with what people take instead.

pub(super) mod bare_pipeline;
pub(super) mod stack;
