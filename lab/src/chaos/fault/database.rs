//! Faults of the database.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::Fault;
use crate::{
    chaos::{
        proxy::Mode,
        world::{Hoard, World},
    },
    folder::Folder,
    process::{Process, clean, search_path},
};

/// How long the database can be reached, and cannot, when it flaps.
const FLAP: Duration = Duration::from_secs(3);
/// Between two terminations of every session.
const TERMINATE_EVERY: Duration = Duration::from_millis(700);
/// How often a start after `kill -9` is tried: the sessions of the server before may not have noticed its end yet.
const STARTS: u32 = 20;
const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name LIKE 'hookline%'";

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    match fault {
        Fault::DatabaseStop => {
            world.ground.postgres()?.stop().await?;
            world.hold(lasts).await?;
            world.ground.postgres()?.start_again().await
        }
        Fault::DatabaseCrash => {
            world.ground.postgres()?.kill().await?;
            world.hold(lasts).await?;
            world.ground.postgres()?.start_again().await
        }
        Fault::DatabaseKill => kill_hard(world, lasts).await,
        Fault::BackendKill => kill_session(world, lasts).await,
        Fault::BackendsTerminated => {
            repeat(world, lasts, async |world| {
                world.db.execute(TERMINATE).await?;
                world.hold(TERMINATE_EVERY).await
            })
            .await
        }
        Fault::DatabaseLocked => lock(world, lasts).await,
        Fault::SlowFsync => trace(world, "fdatasync:delay_enter=2000000", lasts).await,
        Fault::FsyncError => trace(world, "fdatasync:error=EIO:when=3", lasts).await,
        Fault::DiskFull => {
            world.ground.postgres()?.fill_disk()?;
            world.hold(lasts).await?;
            world.ground.postgres()?.free_disk()
        }
        Fault::ConnectionsExhausted => exhaust(world, lasts).await,
        Fault::Deadlocks => {
            let adversary = Hoard::open(&world.database_url, 1).await?;
            repeat(world, lasts, async |world| {
                // Losing is the point as well: the error says that the database has chosen the adversary.
                let _ = adversary.lock_backwards().await;
                world.hold(Duration::from_millis(20)).await
            })
            .await
        }
        Fault::Serialization => {
            with_default(
                world,
                "default_transaction_isolation = 'repeatable read'",
                lasts,
            )
            .await
        }
        Fault::ReadOnly => with_default(world, "default_transaction_read_only = on", lasts).await,
        _ => {
            repeat(world, lasts, async |world| {
                world.set_all(|instance| instance.database.as_ref(), Mode::Reset);
                world.hold(FLAP).await?;
                world.set_all(|instance| instance.database.as_ref(), Mode::Pass);
                world.hold(FLAP).await
            })
            .await
        }
    }
}

/// Why nothing can be done to the database's system calls here.
pub(super) fn strace_obstacle() -> Option<String> {
    let path = search_path();
    let mut folders = std::env::split_paths(&path);
    if !folders.any(|folder| folder.join("strace").is_file()) {
        return Some("strace is not installed".into());
    }
    root_obstacle()
}

/// Why no small disk can be made here.
pub(super) fn small_disk_obstacle() -> Option<String> {
    root_obstacle()
}

fn root_obstacle() -> Option<String> {
    (!geteuid().is_root()).then(|| "only root may do that".into())
}

/// Does `once` until the time is over.
async fn repeat(
    world: &mut World<'_>,
    lasts: Duration,
    once: impl AsyncFn(&mut World<'_>) -> Result<()>,
) -> Result<()> {
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        once(world).await?;
    }
    Ok(())
}

/// Holds the table of transactions for itself.
pub(super) async fn lock(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut hoard = Hoard::open(&world.database_url, 1).await?;
    hoard
        .take("LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")
        .await?;
    world.hold(lasts).await?;
    hoard.give_back().await
}

async fn kill_hard(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    world.ground.postgres()?.kill_hard().await?;
    world.hold(lasts).await?;
    let mut tries = 1;
    loop {
        let started = world.ground.postgres()?.start_again().await;
        if started.is_ok() || tries == STARTS {
            return started;
        }
        tries += 1;
        world.hold(Duration::from_millis(500)).await?;
    }
}

/// `kill -9` on one of the service's sessions: the server cannot know what it has left in shared memory, and restarts.
async fn kill_session(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let session: i32 = world
        .db
        .one(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'hookline%' ORDER BY random() LIMIT 1",
        )
        .await?;
    let ours = sessions(world)?;
    ensure!(
        ours.contains(&session.unsigned_abs()),
        "not a session of ours"
    );
    let session = Pid::from_raw(session).context("no session")?;
    kill_process(session, Signal::KILL).context("the session is gone")?;
    world.hold(lasts).await
}

/// The processes of the database's sessions and helpers.
fn sessions(world: &mut World<'_>) -> Result<Vec<u32>> {
    let server = world.ground.postgres()?.pid().context("it does not run")?;
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
    let pids = children.split_whitespace();
    Ok(pids.filter_map(|pid| pid.parse().ok()).collect())
}

/// Tampers with the system calls of the server and all of its processes, those to come too.
async fn trace(world: &mut World<'_>, inject: &str, lasts: Duration) -> Result<()> {
    let server = world.ground.postgres()?.pid().context("it does not run")?;
    let mut command = clean("strace");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
    ]);
    command.arg(format!("inject={inject}"));
    for pid in sessions(world)?.into_iter().chain([server]) {
        command.args(["-p", &pid.to_string()]);
    }
    let mut folder = Folder::new("hookline-strace-")?;
    let tracer = Process::spawn("strace", command, &mut folder, Signal::TERM)?;
    world.hold(lasts).await?;
    // It lets go of everything when it ends.
    tracer.end(Signal::TERM).await.map(drop)
}

/// Takes every connection there is, those of the service too.
async fn exhaust(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut hoard = Hoard::open(&world.database_url, 300).await?;
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        while hoard.take("SELECT 1").await.is_ok() {}
        world.db.execute(TERMINATE).await?;
        while hoard.take("SELECT 1").await.is_ok() {}
        world.hold(TERMINATE_EVERY).await?;
    }
    world
        .notes
        .push(format!("{} connections were taken", hoard.len()));
    hoard.give_back().await
}

/// Gives new sessions of this database another default.
async fn with_default(world: &mut World<'_>, setting: &str, lasts: Duration) -> Result<()> {
    let database: String = world.db.one("SELECT current_database()::text").await?;
    let name = setting.split(' ').next().unwrap_or_default();
    let set = format!("ALTER DATABASE {database} SET {setting}");
    world.db.execute(&set).await?;
    world.db.execute(TERMINATE).await?;
    world.hold(lasts).await?;
    let reset = format!("BEGIN READ WRITE; ALTER DATABASE {database} RESET {name}; COMMIT");
    world.db.execute(&reset).await?;
    world.db.execute(TERMINATE).await
}
