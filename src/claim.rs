//! The claim on a SQLite file: keeps other processes away from it, makes sure that it and its log belong together, and sees
//! to it that nobody works on in a file that is no longer where it was.
//!
//! SQLite's own locks keep transactions apart, not processes. The claim is a `flock` on the database file itself, so that
//! every name of the file leads to the same lock. On Linux that has nothing to do with the POSIX locks that SQLite takes on
//! the same file; on a network file system it is one of those for the server, and elsewhere for the system itself.
//! POSIX locks end when *any* descriptor of the file is closed in the process (fcntl(2)): the claim's stays open until the
//! process ends.

mod change_counter;
mod guard;
mod locks;
mod log;

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use api::{FileWatch, file_watch::beside};
use sea_orm::{
    DatabaseConnection,
    sqlx::{
        self, ConnectOptions, Connection, SqliteConnection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::database::Address;
pub use locks::Use;
use locks::cannot;
use log::Foreign;

/// The claim's own connection: waiting for another's write lock. While it waits it does not look after the file.
const BUSY_WITHIN: Duration = Duration::from_secs(1);
/// Before a log is called foreign for good: somebody with a shell may be moving it into the database.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(300);
/// At the end: moving the log into the database.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// A claimed file. It stays locked until the process ends, even if this is dropped.
pub struct Claim {
    file: FileWatch,
    _beside: Vec<File>,
    /// Open as long as the claim, so that SQLite keeps one log and one index of it: it removes both with its last connection.
    anchor: SqliteConnection,
}

/// Claims the file that `address` names and makes it if it is not there; `None` for PostgreSQL. Nothing else may have opened it
/// in this process yet.
///
/// Fails with one sentence if another process has it, if its folder cannot lock, and if its log belongs to another file.
pub async fn take(address: &Address, how: Use) -> anyhow::Result<Option<Claim>> {
    if !address.is_sqlite() {
        return Ok(None);
    }
    let options: SqliteConnectOptions = address.url().parse().context("DATABASE_URL")?;
    let asked = absolute(&options)?;
    if !asked.exists() {
        // SQLite would make an empty database and remove the log.
        refuse_foreign(None, &asked).await?;
    }
    let file = locks::open(&asked)?;
    let is_alone = locks::lock(&file, &asked, how).await?;
    let path = std::fs::canonicalize(&asked).with_context(|| cannot("find", &asked))?;
    let _beside = locks::lock_beside(&asked, &path, how)?;
    if is_alone {
        refuse_foreign(Some(&file), &path).await?;
        locks::let_others_in(&file, &path, how)?;
    }
    if locks::names(&file)? > 1 {
        tracing::warn!(
            event = "hard_links",
            "DATABASE_URL: {} has other names (hard links); SQLite keeps what was committed last beside the name it was \
             opened by, so start always by the same one",
            path.display()
        );
    }
    let anchor = anchor(options.filename(&path), &path).await?;
    let file = FileWatch::new(file, &asked, &path).with_context(|| cannot("look at", &path))?;
    file.look().context("DATABASE_URL")?;
    // Never closed: see above.
    std::mem::forget(file.clone());
    Ok(Some(Claim {
        file,
        _beside,
        anchor,
    }))
}

/// Refuses a file whose log belongs to another one, unless a process has it, which has looked already. For commands that need
/// no claim; to be called before anything opens the file.
pub async fn check(address: &Address) -> anyhow::Result<()> {
    if !address.is_sqlite() {
        return Ok(());
    }
    let asked = absolute(&address.url().parse().context("DATABASE_URL")?)?;
    match File::open(&asked) {
        Ok(file) if file.try_lock().is_ok() => {
            let path = std::fs::canonicalize(&asked).with_context(|| cannot("find", &asked))?;
            refuse_foreign(Some(&file), &path).await
        }
        Ok(_) => Ok(()),
        Err(_) => refuse_foreign(None, &asked).await,
    }
}

impl Claim {
    /// Where the file was when it was claimed.
    pub fn file(&self) -> FileWatch {
        self.file.clone()
    }

    /// Looks after the file from now on. If it is no longer in its place, the process ends: with exit code 1, after one
    /// line in the log, and with `write` closed, so that nothing more is finished.
    pub fn guard(self, write: DatabaseConnection) -> Guarded {
        let stop = CancellationToken::new();
        let guard = guard::run(self.anchor, self.file.clone(), write, stop.clone());
        Guarded {
            file: self.file,
            _beside: self._beside,
            guard: tokio::spawn(guard),
            stop,
        }
    }
}

/// A claimed file that is looked after.
pub struct Guarded {
    file: FileWatch,
    _beside: Vec<File>,
    guard: JoinHandle<SqliteConnection>,
    stop: CancellationToken,
}

impl Guarded {
    /// After everything else has ended: moves what is in the log into the file, so that no log is left which a copy that is
    /// put back could meet. If that takes too long, the next start will do it.
    pub async fn release(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let mut anchor = self.guard.await.context("the guard of the file failed")?;
        if let Err(error) = self.file.look() {
            // To close it would move the log into whatever lies there now.
            std::mem::forget(anchor);
            return Err(error).context("DATABASE_URL");
        }
        let release = async {
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut anchor)
                .await?;
            anchor.close().await
        };
        match tokio::time::timeout(RELEASE_WITHIN, release).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(event = "log_not_moved", %error, "the log was not moved into the file")
            }
            Err(_) => tracing::warn!(
                event = "log_not_moved",
                "there was no time to move the log into the file"
            ),
        }
        Ok(())
    }
}

/// Opens the connection that stays, and proves with it that SQLite can lock here and share memory.
async fn anchor(options: SqliteConnectOptions, path: &Path) -> anyhow::Result<SqliteConnection> {
    let opened = async {
        let mut anchor = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What it writes itself nobody was promised, and it comes to the disk with what is committed next.
            .synchronous(SqliteSynchronous::Normal)
            .pragma("wal_autocheckpoint", "0")
            .busy_timeout(BUSY_WITHIN)
            .disable_statement_logging()
            .connect()
            .await?;
        change_counter::raise(&mut anchor).await?;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut anchor)
            .await?;
        sqlx::Result::Ok((anchor, mode))
    };
    let (anchor, mode) = opened.await.map_err(|error| unusable(path, error))?;
    ensure!(mode == "wal", locks::cannot_lock(path, "no shared memory"));
    Ok(anchor)
}

/// What SQLite says where it can use no file, by its result codes (<https://sqlite.org/rescode.html>): BUSY (5), READONLY (8; the
/// file itself can be written, or it would not be open), IOERR (10), CANTOPEN (14) and PROTOCOL (15) are what a file system brings
/// about that cannot lock or share memory.
fn unusable(path: &Path, error: sqlx::Error) -> anyhow::Error {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    match code.map(|code| code & 0xff) {
        Some(5) => anyhow!(
            "DATABASE_URL: {} is locked by another program, or its file system cannot lock as SQLite needs it",
            path.display()
        ),
        Some(8 | 10 | 14 | 15) => locks::cannot_lock(path, &error.to_string()),
        _ => anyhow!(error).context(cannot("use", path)),
    }
}

/// Fails if the log beside `path` is not this file's. A person with a shell may move the log into the file meanwhile; what is
/// foreign is still the same after a while.
async fn refuse_foreign(file: Option<&File>, path: &Path) -> anyhow::Result<()> {
    let log = beside(path, "-wal");
    let look = || log::compare(file, &log).with_context(|| cannot("read", &log));
    let Some(foreign) = look()? else {
        return Ok(());
    };
    tokio::time::sleep(SECOND_LOOK_AFTER).await;
    if look()?.as_ref() == Some(&foreign) {
        return Err(recipe(path, &foreign));
    }
    Ok(())
}

fn recipe(path: &Path, foreign: &Foreign) -> anyhow::Error {
    let path = path.display();
    anyhow!(
        "DATABASE_URL: {path} and {path}-wal do not belong together ({foreign}), as after a copy was put back while the \
         log of what was there before was left; to go on with the copy, let nothing open the file, move {path}-wal and \
         {path}-shm away and start again; to go on with what was there before, put it back \
         (docs/operations/SQLITE.md, \"Put a copy back\")"
    )
}

fn absolute(options: &SqliteConnectOptions) -> anyhow::Result<PathBuf> {
    let path = options.get_filename();
    std::path::absolute(path).with_context(|| cannot("find", path))
}
