//! One row per statement, prepared, by PostgreSQL's own `pgbench`: what a service without group commit could at best do.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use testbed::{folder::Folder, postgres::Server, process::run};

use crate::bench::site::Site;

/// Into the table of the service, with ids as scattered as those of the load generator.
const SCRIPT: &str = r"\set number random(0, 9223372036854775806)
INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency)
VALUES (gen_random_uuid(), 'txn_' || to_hex(CAST(:number AS bigint)), 'acc_user_1', 'acc_merchant_1', 1500, 'INR')
ON CONFLICT (transaction_id) DO NOTHING;
";

/// Rows per second from `clients` connections during `time`.
pub(in crate::bench) async fn rate(
    server: &Server,
    site: &Site,
    clients: u32,
    time: Duration,
) -> Result<f64> {
    let folder = Folder::new("hookline-pgbench-")?;
    let said = pgbench(server, site, &folder, clients, time, &[]).await?;
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    rate.context("pgbench does not tell its rate")
}

/// The median time of one insert on one connection, in milliseconds.
pub(in crate::bench) async fn round_trip_ms(
    server: &Server,
    site: &Site,
    time: Duration,
) -> Result<f64> {
    let folder = Folder::new("hookline-pgbench-")?;
    let prefix = folder.path().join("log").display().to_string();
    let log = ["--log", "--log-prefix", &prefix];
    pgbench(server, site, &folder, 1, time, &log).await?;
    let mut times: Vec<u64> = Vec::new();
    for file in fs::read_dir(folder.path())?.flatten() {
        if file.file_name().to_string_lossy().starts_with("log.") {
            // client, transaction, microseconds, …
            let text = fs::read_to_string(file.path())?;
            let column = text.lines().filter_map(|line| line.split(' ').nth(2));
            times.extend(column.filter_map(|time| time.parse::<u64>().ok()));
        }
    }
    ensure!(!times.is_empty(), "pgbench has logged nothing");
    times.sort_unstable();
    Ok(times[times.len() / 2] as f64 / 1000.0)
}

async fn pgbench(
    server: &Server,
    site: &Site,
    folder: &Folder,
    clients: u32,
    time: Duration,
    more: &[&str],
) -> Result<String> {
    let script = folder.path().join("insert.sql");
    fs::write(&script, SCRIPT)?;
    let mut command = server.program("pgbench");
    // It runs as the server's user, who must be able to read the script and to write the log.
    open_to_all(folder)?;
    command.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "2"]);
    command.args(["--client", &clients.to_string()]);
    command.args(["--time", &time.as_secs().max(1).to_string()]);
    command.arg("--file").arg(&script).args(more);
    command.arg(site.database_url());
    run(command).await
}

fn open_to_all(folder: &Folder) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
    Ok(())
}
