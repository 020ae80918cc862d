//! What the same machine does with no service: the sticks that the service is measured by.

pub(super) mod bare_pipeline;
pub(super) mod bare_sqlite;
pub(super) mod fastapi;
pub(super) mod single_inserts;
