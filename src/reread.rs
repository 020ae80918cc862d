//! Files that are read again and again: what is in them now, and what was last good.
//!
//! They are compared by content and not by name, inode or time: Kubernetes puts a new version of a mounted secret in place by
//! turning a symbolic link, and a path is looked up anew at each reading.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often files are read again.
pub const AGAIN_EVERY: Duration = Duration::from_secs(5);
/// Whoever writes a file in its place may be half way: what is new must be the same after this time.
const SETTLED_AFTER: Duration = Duration::from_millis(200);
/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Has `look` look at what is watched, every so often, until `stop`.
pub async fn run<T: Send + 'static>(
    mut watched: T,
    every: Duration,
    look: fn(&mut T),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut next = tokio::time::interval(every);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once.
    next.tick().await;
    loop {
        tokio::select! {
            _ = next.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        // A network's file system may take its time.
        let looked = spawn_blocking(move || {
            look(&mut watched);
            watched
        });
        tokio::select! {
            looked = looked => watched = looked?,
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Gives whoever writes a file the time to come to its end. Blocks.
pub fn settle() {
    std::thread::sleep(SETTLED_AFTER);
}

/// What could not be read again, by what the sentence is about: what was last good stands.
pub type Faults = BTreeMap<String, String>;

/// The sentences of `now` that nobody has been told.
pub fn new_sentences<'f>(before: &Faults, now: &'f Faults) -> impl Iterator<Item = &'f str> {
    let new = now
        .iter()
        .filter(|(about, sentence)| before.get(*about) != Some(*sentence));
    new.map(|(_, sentence)| sentence.as_str())
}

/// What there was a sentence about, and is none any more.
pub fn mended<'f>(before: &'f Faults, now: &Faults) -> impl Iterator<Item = &'f str> {
    let abouts = before.keys().filter(|about| !now.contains_key(*about));
    abouts.map(String::as_str)
}

/// What has been asked for, as it was last read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files {
    seen: BTreeMap<PathBuf, Seen>,
    /// Since the last beginning.
    asked: BTreeSet<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seen {
    now: Result<Arc<str>, Unread>,
    good: Option<Arc<str>>,
}

/// Why there is no text.
#[derive(Clone, PartialEq, Eq)]
enum Unread {
    Missing,
    /// What is said of the file.
    Otherwise(String),
}

/// What a file comes to.
pub enum Content {
    Now(Arc<str>),
    /// It cannot be read now, for this reason; this is what was last good.
    Before(Arc<str>, String),
    /// It is not there, and need not be.
    Missing,
    /// It never could be read, for this reason.
    Never(String),
}

impl Files {
    /// What is in a file, which is read if nobody has asked for it before. What was in one that may be missing counts no
    /// more when it is.
    pub fn content(&mut self, path: &Path, is_optional: bool) -> Content {
        self.asked.insert(path.to_owned());
        let seen = self.seen.entry(path.to_owned()).or_insert_with(|| {
            let now = read(path);
            Seen {
                good: now.clone().ok(),
                now,
            }
        });
        if is_optional && seen.now == Err(Unread::Missing) {
            seen.good = None;
            return Content::Missing;
        }
        match (&seen.now, &seen.good) {
            (Ok(text), _) => Content::Now(text.clone()),
            (Err(unread), Some(good)) => Content::Before(good.clone(), unread.told()),
            (Err(unread), None) => Content::Never(unread.told()),
        }
    }

    /// All of them, read again.
    pub fn again(&self) -> Self {
        let seen = self.seen.iter().map(|(path, before)| {
            let now = read(path);
            let good = now.clone().ok().or_else(|| before.good.clone());
            (path.clone(), Seen { now, good })
        });
        Self {
            seen: seen.collect(),
            asked: self.asked.clone(),
        }
    }

    /// The same, if something is other than before, and is still the same after `settle`.
    pub fn changed(&self, settle: impl FnOnce()) -> Option<Self> {
        let files = self.again();
        if files == *self {
            return None;
        }
        settle();
        (files.again() == files).then_some(files)
    }

    /// Nobody has asked for any of them, until somebody does.
    pub fn begin(&mut self) {
        self.asked.clear();
    }

    /// Leaves out those for which nobody has asked since the beginning.
    pub fn end(&mut self) {
        self.seen.retain(|path, _| self.asked.contains(path));
    }

    /// The files in which there is something good and new.
    pub fn new_since(&self, before: &Self) -> Vec<&Path> {
        let good = |files: &Self, path: &Path| files.seen.get(path)?.good.clone();
        let paths = self.seen.keys().map(PathBuf::as_path);
        paths
            .filter(|path| good(self, path) != good(before, path))
            .collect()
    }
}

impl Unread {
    fn told(&self) -> String {
        match self {
            Self::Missing => "does not exist".into(),
            Self::Otherwise(why) => why.clone(),
        }
    }
}

fn read(path: &Path) -> Result<Arc<str>, Unread> {
    let otherwise = |why: &str| Unread::Otherwise(why.to_owned());
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unread::Missing,
        _ => Unread::Otherwise(format!("cannot be read: {error}")),
    };
    // To open a pipe may take for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(otherwise("is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(otherwise("is longer than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| otherwise("is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(otherwise("is empty"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What a file that must be there comes to, in a word.
    fn told(files: &mut Files, path: &Path) -> String {
        match files.content(path, false) {
            Content::Now(text) => text.to_string(),
            Content::Before(text, why) => format!("{text}, and now it {why}"),
            Content::Missing => "missing".into(),
            Content::Never(why) => why,
        }
    }

    #[test]
    fn what_was_last_good_stands_until_there_is_something_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = &folder.path().join("secret");
        let mut files = Files::default();
        assert_eq!(told(&mut files, path), "does not exist");
        fs::write(path, "one").unwrap();
        assert_eq!(
            told(&mut files, path),
            "does not exist",
            "until it is read again"
        );
        let mut again = files.again();
        assert_eq!(told(&mut again, path), "one");
        assert_eq!(again.new_since(&files), [path]);
        assert!(again == again.again());
        fs::write(path, " \n").unwrap();
        let mut empty = again.again();
        assert_eq!(told(&mut empty, path), "one, and now it is empty");
        assert!(empty != again && empty.new_since(&again).is_empty());
        fs::remove_file(path).unwrap();
        let mut gone = empty.again();
        assert_eq!(told(&mut gone, path), "one, and now it does not exist");
        fs::write(path, "two").unwrap();
        assert_eq!(told(&mut gone.again(), path), "two");
    }

    #[test]
    fn what_was_in_a_file_that_may_be_missing_counts_no_more_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = &folder.path().join("secret");
        fs::write(path, "one").unwrap();
        let mut files = Files::default();
        assert!(matches!(files.content(path, true), Content::Now(_)));
        fs::remove_file(path).unwrap();
        let mut gone = files.again();
        assert!(matches!(gone.content(path, true), Content::Missing));
        assert_eq!(gone.new_since(&files), [path]);
        let mut still = gone.again();
        assert_eq!(told(&mut still, path), "does not exist");
    }

    #[test]
    fn what_is_no_text_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        let path = folder.path().join("binary");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(told(&mut files, &path), "is not UTF-8");
        let path = folder.path().join("long");
        fs::write(&path, vec![b'a'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert_eq!(told(&mut files, &path), "is longer than 1 MiB");
        let what = "is not a regular file";
        assert_eq!(told(&mut files, folder.path()), what);
        assert_eq!(told(&mut files, Path::new("/dev/zero")), what);
        assert_eq!(told(&mut files, &path.join("below")), "does not exist");
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_read_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut files = Files::default();
        told(&mut files, &one);
        told(&mut files, &other);
        files.begin();
        told(&mut files, &other);
        files.end();
        let left: Vec<_> = files.seen.keys().collect();
        assert_eq!(left, [&other]);
    }
}
