//! The locks themselves.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use anyhow::{Context, anyhow, ensure};
use api::file_watch::beside;

use super::{Use, cannot};

/// Whether `flock` on a file leaves SQLite's own locks on it alone. On macOS and the BSDs both are of one kind, and SQLite
/// would wait for ourselves; there only the lock beside the file is taken.
const LOCKS_ARE_APART: bool = cfg!(target_os = "linux");

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

/// Locks the file itself and makes sure that `path` still names it. Says whether nobody else has it locked.
pub fn lock(file: &File, path: &Path, how: Use) -> anyhow::Result<bool> {
    if !LOCKS_ARE_APART {
        return Ok(how == Use::Alone);
    }
    let is_alone = match (file.try_lock(), how) {
        (Ok(()), _) => true,
        (Err(TryLockError::WouldBlock), Use::WithOthers) => false,
        (Err(error), _) => return Err(not_locked(path, error)),
    };
    if is_alone {
        let again = File::open(path).with_context(|| cannot("open", path))?;
        let is_refused = matches!(again.try_lock(), Err(TryLockError::WouldBlock));
        ensure!(is_refused, cannot_lock(path, "a lock keeps nobody away"));
    }
    if how == Use::WithOthers {
        let shared = file.try_lock_shared();
        shared.map_err(|error| not_locked(path, error))?;
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

/// Takes the lock of version 0.1.0, a file beside the database's, so that an older process and this one keep each other away.
/// What such a process has left there locks nothing. To be dropped after one release, except where it is the only lock.
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
