//! The locks themselves.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use api::file_watch::beside;

/// Whether `flock` on a file leaves SQLite's own locks on it alone. On macOS and the BSDs both are of one kind, and SQLite
/// would wait for ourselves; there only the lock beside the file is taken.
const LOCKS_ARE_APART: bool = cfg!(target_os = "linux");
/// A lock may be another's for a moment only: that of a command, or of the first of several processes, which looks at the file.
const LOCK_WITHIN: Duration = Duration::from_secs(2);
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Whom a process lets work on the same file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Nobody: the queue is inside this process.
    Alone,
    /// Processes that share its queue, which is on a broker.
    WithOthers,
}

/// Opens the database's file, and makes an empty one if there is none.
pub fn open(path: &Path) -> anyhow::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).with_context(|| cannot("open", path))?;
    #[cfg(target_os = "linux")]
    if let Some(kind) = network_file_system(&file)? {
        return Err(cannot_lock(path, kind));
    }
    Ok(file)
}

/// Locks the file itself and makes sure that `path` still names it. Says whether it is locked for this process alone, as it is
/// for the first of several, too, until it [lets others in](let_others_in).
pub async fn lock(file: &File, path: &Path, how: Use) -> anyhow::Result<bool> {
    if !LOCKS_ARE_APART {
        return Ok(how == Use::Alone);
    }
    let since = Instant::now();
    let is_alone = loop {
        match try_lock(file, how) {
            Ok(is_alone) => break is_alone,
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WITHIN => {
                tokio::time::sleep(LOCK_AGAIN_AFTER).await;
            }
            Err(error) => return Err(not_locked(path, error)),
        }
    };
    if is_alone {
        let again = File::open(path).with_context(|| cannot("open", path))?;
        let is_refused = matches!(again.try_lock(), Err(TryLockError::WouldBlock));
        ensure!(is_refused, cannot_lock(path, "a lock keeps nobody away"));
    }
    let ours = file.metadata()?;
    let named = std::fs::metadata(path).with_context(|| cannot("look at", path))?;
    ensure!(
        (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        "DATABASE_URL: {} was replaced while it was being opened; start again",
        path.display()
    );
    Ok(is_alone)
}

fn try_lock(file: &File, how: Use) -> Result<bool, TryLockError> {
    match (file.try_lock(), how) {
        (Err(TryLockError::WouldBlock), Use::WithOthers) => file.try_lock_shared().map(|()| false),
        (locked, _) => locked.map(|()| true),
    }
}

/// After the first of several processes has looked at the file.
pub fn let_others_in(file: &File, path: &Path, how: Use) -> anyhow::Result<()> {
    match how {
        Use::WithOthers if LOCKS_ARE_APART => file
            .try_lock_shared()
            .map_err(|error| not_locked(path, error)),
        _ => Ok(()),
    }
}

/// Takes the lock of earlier versions, a file beside the database's, so that an older process and this one keep each other away.
/// A file that one has left there locks nothing. To be dropped after one release, except where it is the only lock.
pub fn lock_beside(asked: &Path, path: &Path, how: Use) -> anyhow::Result<Vec<File>> {
    let mut locks = Vec::new();
    for path in [asked, path] {
        let path = beside(path, ".lock");
        let lock = File::create(&path).with_context(|| cannot("create", &path))?;
        match how {
            Use::Alone => lock.try_lock(),
            Use::WithOthers => lock.try_lock_shared(),
        }
        .map_err(|error| not_locked(&path, error))?;
        locks.push(lock);
        if asked.parent() == path.parent() {
            break;
        }
    }
    Ok(locks)
}

/// How many names the file has, symbolic links aside.
pub fn names(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

fn not_locked(path: &Path, error: TryLockError) -> anyhow::Error {
    match error {
        TryLockError::WouldBlock => anyhow!(
            "DATABASE_URL: another hookline uses this database, and one of the two has its queue inside the process; give \
             both the same AMQP_URL or stop one"
        ),
        TryLockError::Error(error) => cannot_lock(path, &error.to_string()),
    }
}

/// What comes before the system's own words.
pub fn cannot(do_what: &str, path: &Path) -> String {
    format!("DATABASE_URL: cannot {do_what} {}", path.display())
}

/// Says that the file is where SQLite's promises do not hold.
pub fn cannot_lock(path: &Path, why: &str) -> anyhow::Error {
    anyhow!(
        "DATABASE_URL: the folder of {} cannot lock files or share memory as SQLite needs it ({why}); put the file on a disk \
         of this machine, or use PostgreSQL",
        path.display()
    )
}

/// Network file systems by name: SQLite's write-ahead log does not work on them
/// (<https://sqlite.org/wal.html>), whatever their locks answer. The numbers are those of statfs(2).
#[cfg(target_os = "linux")]
fn network_file_system(file: &File) -> anyhow::Result<Option<&'static str>> {
    let kind = rustix::fs::fstatfs(file)?.f_type as u32;
    Ok(match kind {
        0x6969 => Some("it is on NFS"),
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => Some("it is on SMB"),
        0x00c3_6400 => Some("it is on Ceph"),
        0x5346_414f => Some("it is on AFS"),
        0x0bd0_0bd0 => Some("it is on Lustre"),
        _ => None,
    })
}
