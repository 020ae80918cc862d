//! Whether a SQLite database is still under the names by which the next start will look for it.
//!
//! SQLite goes on writing into files that were deleted, moved or replaced, and says nothing
//! (<https://sqlite.org/howtocorrupt.html>). What is committed there is durable, and nobody finds it.

use std::{
    ffi::OsString,
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use thiserror::Error;

/// Where a database's header has its change counter: a number of 4 bytes, big-endian (<https://sqlite.org/fileformat2.html>,
/// section 1.3.7). It never falls.
pub const CHANGE_COUNTER_AT: usize = 24;
/// After a counter that has fallen: a checkpoint may just be writing the header, and is done after this time.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(5);

/// What a path names: a device and an inode. No other file can get both while ours is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// Why the database is not in its place.
#[derive(Debug, Error)]
pub enum Misplaced {
    /// The path names nothing.
    #[error("{} is gone: it was deleted or moved", .0.display())]
    Gone(PathBuf),
    /// The path names another file.
    #[error("{} is another file: it was replaced", .0.display())]
    Replaced(PathBuf),
    /// The file is ours, and what is in it is older than what was in it before.
    #[error("{} was overwritten by something older", .0.display())]
    Overwritten(PathBuf),
    /// Nobody knows: the file system does not tell.
    #[error("{} cannot be looked at: {}", .0.display(), .1)]
    Unknown(PathBuf, #[source] io::Error),
}

/// Looks whether a database is in its place. Clones look at the same.
#[derive(Clone, Debug)]
pub struct FileWatch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    /// While this is open the inode's number is not given to another file.
    database: File,
    path: PathBuf,
    names: Vec<(PathBuf, Identity)>,
    logs: [PathBuf; 2],
    /// The highest that the file has had.
    change_counter: AtomicU32,
}

impl FileWatch {
    /// Watches `database`, which is open as `path` (with no symbolic link in it) and was asked for as `asked`. SQLite has
    /// its log and the log's index open, and keeps them open.
    pub fn new(database: File, asked: &Path, path: &Path) -> io::Result<Self> {
        let mut names = Vec::new();
        let logs = [beside(path, "-wal"), beside(path, "-shm")];
        let databases = [asked.to_owned(), path.to_owned()];
        for name in databases.into_iter().chain(logs.clone()) {
            if names.iter().all(|(known, _)| *known != name) {
                let identity = Identity::of(&std::fs::metadata(&name)?);
                names.push((name, identity));
            }
        }
        let change_counter = change_counter(&database)?.unwrap_or(0);
        Ok(Self(Arc::new(Watched {
            database,
            path: path.to_owned(),
            names,
            logs,
            change_counter: AtomicU32::new(change_counter),
        })))
    }

    /// Whether it is in its place now: one `stat` for each name and a read of 4 bytes, which take microseconds on the local
    /// file systems that are allowed.
    pub fn look(&self) -> Result<(), Misplaced> {
        for (path, identity) in &self.0.names {
            match std::fs::metadata(path) {
                Ok(metadata) if Identity::of(&metadata) == *identity => {}
                Ok(_) => return Err(Misplaced::Replaced(path.clone())),
                Err(error) => return Err(no_metadata(path, error)),
            }
        }
        if !self.has_not_gone_back()? {
            std::thread::sleep(SECOND_LOOK_AFTER);
            if !self.has_not_gone_back()? {
                return Err(Misplaced::Overwritten(self.0.path.clone()));
            }
        }
        Ok(())
    }

    /// Whether only what SQLite keeps beside the database is not in its place.
    pub fn has_lost_its_log_only(&self) -> bool {
        match self.look() {
            Err(Misplaced::Gone(path) | Misplaced::Replaced(path)) => {
                // The database's own names are looked at first.
                self.0.logs.contains(&path) && self.has_not_gone_back().unwrap_or(false)
            }
            _ => false,
        }
    }

    /// Whether it is certainly in its place now.
    pub fn is_in_place(&self) -> bool {
        self.look().is_ok()
    }

    fn has_not_gone_back(&self) -> Result<bool, Misplaced> {
        match change_counter(&self.0.database) {
            Ok(Some(now)) => Ok(self.0.change_counter.fetch_max(now, Ordering::Relaxed) <= now),
            Ok(None) => Ok(false),
            Err(error) => Err(Misplaced::Unknown(self.0.path.clone(), error)),
        }
    }
}

/// The change counter of a database, which must be open here already: to close it would end SQLite's locks. `None` if the file is
/// shorter than that.
pub fn change_counter(database: &File) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    match database.read_exact_at(&mut bytes, CHANGE_COUNTER_AT as u64) {
        Ok(()) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of a file that SQLite keeps beside the database.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    name.into()
}

fn no_metadata(path: &Path, error: io::Error) -> Misplaced {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Misplaced::Gone(path.to_owned()),
        _ => Misplaced::Unknown(path.to_owned(), error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A folder with a database of this change counter, and its watch.
    fn watched(counter: u32) -> (TempDir, PathBuf, FileWatch) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        fs::write(&path, header(counter)).unwrap();
        fs::write(beside(&path, "-wal"), "log").unwrap();
        fs::write(beside(&path, "-shm"), "index").unwrap();
        let watch = FileWatch::new(File::open(&path).unwrap(), &path, &path).unwrap();
        (folder, path, watch)
    }

    fn header(counter: u32) -> Vec<u8> {
        let mut header = vec![0; 100];
        header[CHANGE_COUNTER_AT..][..4].copy_from_slice(&counter.to_be_bytes());
        header
    }

    #[test]
    fn a_file_that_is_written_to_is_in_its_place() {
        let (_folder, path, watch) = watched(5);
        for counter in [5, 6, 6, 9] {
            fs::write(&path, header(counter)).unwrap();
            assert!(watch.is_in_place());
        }
        assert!(!watch.has_lost_its_log_only());
    }

    #[test]
    fn a_file_that_is_gone_is_not_and_one_that_is_put_back_is() {
        let (folder, path, watch) = watched(5);
        let away = folder.path().join("away");
        fs::rename(&path, &away).unwrap();
        assert!(matches!(watch.look(), Err(Misplaced::Gone(_))));
        assert!(!watch.has_lost_its_log_only());
        fs::rename(&away, &path).unwrap();
        assert!(watch.is_in_place());
    }

    #[test]
    fn another_file_in_its_place_is_another() {
        let (folder, path, watch) = watched(5);
        let other = folder.path().join("other");
        fs::copy(&path, &other).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(matches!(watch.look(), Err(Misplaced::Replaced(_))));
    }

    #[test]
    fn a_file_with_something_older_or_nothing_in_it_was_overwritten() {
        for content in [header(4), Vec::new()] {
            let (_folder, path, watch) = watched(5);
            fs::write(&path, content).unwrap();
            assert!(matches!(watch.look(), Err(Misplaced::Overwritten(_))));
        }
    }

    #[test]
    fn a_log_that_is_gone_is_missed() {
        for suffix in ["-wal", "-shm"] {
            let (_folder, path, watch) = watched(5);
            fs::remove_file(beside(&path, suffix)).unwrap();
            assert!(matches!(watch.look(), Err(Misplaced::Gone(_))));
            assert!(watch.has_lost_its_log_only());
        }
    }

    #[test]
    fn a_symbolic_link_that_leads_elsewhere_is_noticed() {
        let (folder, path, _) = watched(5);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let watch = FileWatch::new(File::open(&path).unwrap(), &link, &path).unwrap();
        assert!(watch.is_in_place());
        let other = folder.path().join("other");
        fs::write(&other, header(5)).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        assert!(matches!(watch.look(), Err(Misplaced::Replaced(_))));
    }
}
