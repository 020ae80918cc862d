//! What the figures were taken on. Nothing here names the machine.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    path::Path,
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use testbed::process::{clean, run};

use crate::servers::Servers;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    hookline: String,
    postgresql: Option<String>,
    rabbitmq: Option<String>,
}

impl Machine {
    pub(crate) async fn describe(binary: &Path, servers: Option<&Servers>) -> Result<Self> {
        let mut version = clean(binary);
        version.arg("--version");
        let (mut postgresql, mut rabbitmq) = (None, None);
        if let Some(servers) = servers {
            let mut postgres = servers.postgres.program("postgres");
            postgres.arg("--version");
            postgresql = Some(run(postgres).await?.trim().to_owned());
            let version = servers.rabbitmq.control(&["version"]).await?;
            rabbitmq = Some(version.trim().to_owned());
        }
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kib(&field("/proc/meminfo", "MemTotal")) / 1024.0 / 1024.0,
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            hookline: run(version).await?.trim().to_owned(),
            postgresql,
            rabbitmq,
        })
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            ..
        } = self;
        write!(
            f,
            "{cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}"
        )?;
        if let Some(postgresql) = &self.postgresql {
            write!(f, ", {postgresql}")?;
        }
        if let Some(rabbitmq) = &self.rabbitmq {
            write!(f, ", RabbitMQ {rabbitmq}")?;
        }
        Ok(())
    }
}

fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The value of the first line `NAME: VALUE`.
fn field(file: &str, name: &str) -> String {
    let text = text(file);
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find_map(|(found, value)| (found.trim() == name).then(|| value.trim()));
    value.unwrap_or_default().to_owned()
}

/// `1024 kB`
fn kib(value: &str) -> f64 {
    let number = value.split(' ').next();
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
