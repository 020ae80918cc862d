//! Faults of the database.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use rand::RngExt as _;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use testbed::{
    folder::Folder,
    process::{Process, clean, search_path},
    proxy::Mode,
};

use crate::chaos::world::{ConnectionHog, Peer, Role, World};

/// Long enough for every connection to be reset.
const MOMENT: Duration = Duration::from_millis(300);
/// Between two terminations of every session.
const TERMINATE_EVERY: Duration = Duration::from_millis(700);
pub(super) const READ_ONLY: &str = "default_transaction_read_only = on";
/// An hour ahead or behind, in seconds: a clock that was wrong, and its correction.
const JUMPS: [i32; 4] = [-3600, 0, 3600, 0];
/// How long what was unfinished at a death may take beyond the fault's own time.
const FINAL_WITHIN: Duration = Duration::from_secs(15);
/// A consumer dies so long after each.
const DEATH_AFTER: Duration = Duration::from_secs(1);
pub(super) const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name LIKE 'hookline%'";

/// Every session of the service is ended, again and again.
pub(super) async fn terminate_sessions(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let repeated = world.repeat(lasts, async |world| {
        world.db.execute(TERMINATE).await?;
        world.hold(TERMINATE_EVERY).await
    });
    repeated.await
}

/// Somebody locks rows in another order than the service does.
pub(super) async fn deadlock(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let adversary = ConnectionHog::open(&world.database_url, 1).await?;
    let repeated = world.repeat(lasts, async |world| {
        // Losing is the point as well: the error says that the database has chosen the adversary.
        let _ = adversary.lock_backwards().await;
        world.hold(Duration::from_millis(20)).await
    });
    repeated.await
}

/// The database's small disk is full.
pub(super) async fn fill_disk(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    world.servers.postgres()?.fill_disk()?;
    world.hold(lasts).await?;
    world.servers.postgres()?.free_disk()
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

/// Why nothing can be done here that only root may.
pub(super) fn root_obstacle() -> Option<String> {
    (!geteuid().is_root()).then(|| "only root may do that".into())
}

/// Holds the table of transactions for itself.
pub(super) async fn lock(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut hog = ConnectionHog::open(&world.database_url, 1).await?;
    hog.take("LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")
        .await?;
    world.hold(lasts).await?;
    hog.give_back().await
}

/// `kill -9` on one of the service's sessions: the server cannot know what it has left in shared memory, and restarts.
pub(super) async fn kill_session(world: &mut World<'_>, lasts: Duration) -> Result<()> {
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
    let server = world.servers.postgres()?.pid().context("it does not run")?;
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
    let pids = children.split_whitespace();
    Ok(pids.filter_map(|pid| pid.parse().ok()).collect())
}

/// Tampers with the system calls of the server and all of its processes, those to come too.
pub(super) async fn trace(world: &mut World<'_>, lasts: Duration, inject: &str) -> Result<()> {
    let server = world.servers.postgres()?.pid().context("it does not run")?;
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
pub(super) async fn exhaust(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut hog = ConnectionHog::open(&world.database_url, 300).await?;
    let repeated = world.repeat(lasts, async |world| {
        while hog.take("SELECT 1").await.is_ok() {}
        world.db.execute(TERMINATE).await?;
        while hog.take("SELECT 1").await.is_ok() {}
        world.hold(TERMINATE_EVERY).await
    });
    repeated.await?;
    world
        .notes
        .push(format!("{} connections were taken", hog.len()));
    hog.give_back().await
}

/// Gives new sessions of this database another default, and the service new sessions, before and after.
pub(super) async fn with_default(
    world: &mut World<'_>,
    lasts: Duration,
    setting: &str,
) -> Result<()> {
    set_default(world, setting).await?;
    world.db.execute(TERMINATE).await?;
    world.hold(lasts).await?;
    reset_default(world, setting).await?;
    world.db.execute(TERMINATE).await
}

async fn set_default(world: &World<'_>, setting: &str) -> Result<()> {
    let database: String = world.db.one("SELECT current_database()::text").await?;
    let set = format!("ALTER DATABASE {database} SET {setting}");
    world.db.execute(&set).await
}

async fn reset_default(world: &World<'_>, setting: &str) -> Result<()> {
    let database: String = world.db.one("SELECT current_database()::text").await?;
    let name = setting.split(' ').next().unwrap_or_default();
    let reset = format!("BEGIN READ WRITE; ALTER DATABASE {database} RESET {name}; COMMIT");
    world.db.execute(&reset).await
}

/// One process connects while nothing can be written, and nobody ends its sessions when it can.
pub(super) async fn read_only_sessions(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let one = world.random.random_range(0..world.instances.len());
    let noted = format!("{} connected anew", world.instances[one].name);
    world.notes.push(noted);
    set_default(world, READ_ONLY).await?;
    for mode in [Mode::Reset, Mode::Pass] {
        if let Some(proxy) = world.instances[one].proxy(Peer::Database) {
            proxy.set(mode);
        }
        world.hold(MOMENT).await?;
    }
    world.hold(lasts / 2).await?;
    reset_default(world, READ_ONLY).await?;
    world.hold(lasts / 2).await
}

/// Somebody reads for so long that vacuum may remove nothing of what is updated and deleted meanwhile.
pub(super) async fn hold_snapshot(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mut hog = ConnectionHog::open(&world.database_url, 1).await?;
    let look = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox";
    hog.take(look).await?;
    let rows = "SELECT count(*) FROM transactions";
    let before: i64 = world.db.one(rows).await?;
    world.hold(lasts).await?;
    let passed = world.db.one::<i64>(rows).await? - before;
    world
        .notes
        .push(format!("{passed} rows passed while the snapshot was held"));
    hog.give_back().await
}

/// The database's clock jumps, and each time a consumer dies.
pub(super) async fn jump(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    for offset in JUMPS {
        world.servers.postgres()?.set_clock(offset)?;
        let ahead = "SELECT extract(epoch FROM clock_timestamp())::bigint";
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let ahead = world.db.one::<i64>(ahead).await? - now.as_secs().cast_signed();
        ensure!(
            ahead.abs_diff(offset.into()) < 60,
            "the clock is {ahead} s ahead, and not {offset}"
        );
        world.hold(DEATH_AFTER).await?;
        let dead = world.pick(Role::Consumer);
        let open = "SELECT id::text FROM transactions WHERE status = 'PROCESSING'";
        let open: Vec<String> = world.db.column(open).await?;
        world.kill_and_start(&[dead]).await?;
        world.hold(lasts).await?;
        world.finish(&open, FINAL_WITHIN).await?;
    }
    Ok(())
}
