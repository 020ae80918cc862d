//! What a test run was given: `testbed with-servers` names servers in the environment, `scripts/test` the rest.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The variable with the PostgreSQL server's URL.
pub const DATABASE_URL: &str = "TEST_DATABASE_URL";

/// The variable with the RabbitMQ broker's URL.
pub const AMQP_URL: &str = "TEST_AMQP_URL";

/// The PostgreSQL server's URL. A test makes a database of its own there.
pub fn postgres() -> Result<String> {
    variable(DATABASE_URL)
}

/// The RabbitMQ broker's URL. A test uses a queue of its own there.
pub fn rabbitmq() -> Result<String> {
    variable(AMQP_URL)
}

/// The folder of what makes clients from the OpenAPI document: see `scripts/install-generators`.
pub fn generators() -> Result<PathBuf> {
    variable("TEST_GENERATORS").map(PathBuf::from)
}

#[expect(
    clippy::disallowed_methods,
    reason = "not a setting of the service: only tests are told their servers this way"
)]
fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run scripts/test"))
}
