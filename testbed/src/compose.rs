//! The servers of `compose.yaml`, for machines that have Docker but no servers installed.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// Where `compose.yaml` puts the two servers.
pub(crate) const DATABASE_URL: &str = "postgres://hookline:hookline@127.0.0.1:5432/hookline";
pub(crate) const AMQP_URL: &str = "amqp://hookline:hookline@127.0.0.1:5672/%2f";

/// A project of its own: taking it down with its volumes must not touch what somebody keeps in theirs.
const COMPOSE: [&str; 5] = ["compose", "-f", "compose.yaml", "-p", "hookline-testbed"];

/// Whether a Docker engine answers.
pub(crate) async fn available() -> bool {
    let mut command = Command::new("docker");
    command
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
        .stdin(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success())
}

/// Starts `services`, and returns once they are healthy.
pub(crate) async fn up(services: &[&str]) -> Result<()> {
    let status = compose(&["up", "--detach", "--wait"], services).await?;
    ensure!(
        status.success(),
        "docker compose could not start {}",
        services.join(" and ")
    );
    Ok(())
}

/// Stops what [`up`] started, and removes its data.
pub(crate) async fn down() -> Result<()> {
    let status = compose(&["down", "--volumes"], &[]).await?;
    ensure!(
        status.success(),
        "docker compose could not stop the servers"
    );
    Ok(())
}

async fn compose(arguments: &[&str], services: &[&str]) -> Result<ExitStatus> {
    let mut command = Command::new("docker");
    command
        .args(COMPOSE)
        .args(arguments)
        .args(services)
        .stdin(Stdio::null());
    command.status().await.context("cannot run docker")
}
