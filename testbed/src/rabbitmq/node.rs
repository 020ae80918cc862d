//! One node's names, ports and settings.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    ports,
    process::{clean, search_path},
    tls::Certificates,
};

/// Where Debian and Ubuntu keep the scripts themselves; the ones on their PATH switch user and folders.
const DEBIAN: &str = "/usr/lib/rabbitmq/bin";

/// Whether a private server can be started here.
pub fn installed() -> bool {
    scripts().is_some()
}

/// The folder with `rabbitmq-server` and `rabbitmqctl`: Debian's, or where RabbitMQ's own archive was unpacked.
fn scripts() -> Option<PathBuf> {
    let on_path = || {
        std::env::split_paths(&search_path()).find_map(|folder| {
            // In the archive the scripts stand beside the one they read their settings from; Debian's wrapper does not.
            let script = folder.join("rabbitmq-server").canonicalize().ok()?;
            Some(script.parent()?.to_owned())
                .filter(|scripts| scripts.join("rabbitmq-env").is_file())
        })
    };
    let debian = PathBuf::from(DEBIAN);
    if debian.join("rabbitmq-server").is_file() {
        Some(debian)
    } else {
        on_path()
    }
}

/// What tells one node from another on the same machine.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) amqp_port: u16,
    pub(super) amqps_port: Option<u16>,
    pub(super) management_port: u16,
    pub(super) epmd_port: u16,
    distribution_port: u16,
    folder: PathBuf,
}

impl Node {
    /// A node on free ports that keeps everything in `folder`.
    pub(super) fn new(folder: &Path, tls: bool) -> Result<Self> {
        let amqp_port = ports::free()?;
        Ok(Self {
            name: format!("hookline-{amqp_port}@localhost"),
            amqp_port,
            amqps_port: tls.then(ports::free).transpose()?,
            management_port: ports::free()?,
            epmd_port: ports::free()?,
            distribution_port: ports::free()?,
            folder: folder.to_owned(),
        })
    }

    /// The text of `rabbitmq.conf`.
    pub(super) fn configuration(&self, tls: Option<&Certificates>) -> String {
        let mut lines = vec![
            format!("listeners.tcp.default = 127.0.0.1:{}", self.amqp_port),
            "management.tcp.ip = 127.0.0.1".to_owned(),
            // Of a cluster, what is cut off stops to serve. A single node has nobody to be cut off from.
            "cluster_partition_handling = pause_minority".to_owned(),
            format!("management.tcp.port = {}", self.management_port),
        ];
        if let (Some(port), Some(certificates)) = (self.amqps_port, tls) {
            lines.extend([
                format!("listeners.ssl.default = 127.0.0.1:{port}"),
                format!("ssl_options.cacertfile = {}", certificates.ca.display()),
                format!("ssl_options.certfile = {}", certificates.cert.display()),
                format!("ssl_options.keyfile = {}", certificates.key.display()),
                "ssl_options.verify = verify_none".to_owned(),
                "ssl_options.fail_if_no_peer_cert = false".to_owned(),
            ]);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Where the node writes its process number.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// One of RabbitMQ's scripts, with the environment that leads it to this node and to no other.
    pub(super) fn command(&self, script: &str) -> Result<Command> {
        let mut command = clean(scripts().context("RabbitMQ is not installed")?.join(script));
        command
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            // Whatever misses the name daemon must not start another, which would outlive it.
            .env("ERL_FLAGS", "-start_epmd false")
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", self.folder.join("data"))
            .env("RABBITMQ_LOG_BASE", self.folder.join("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", self.pid_file())
            .env("RABBITMQ_CONFIG_FILE", self.folder.join("rabbitmq.conf"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                self.folder.join("enabled_plugins"),
            )
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            // Makes the script become the node, as it does for systemd, rather than stay as its parent.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        Ok(command)
    }
}
