//! A clock of a server's own: libfaketime, whose offset stands in a file that the server reads each time it asks for the
//! time (https://github.com/wolfcw/libfaketime).

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Where Debian and Ubuntu install one folder per architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketime.so.1";

/// Why no server can have a clock of its own here.
pub fn obstacle() -> Option<String> {
    let missing = library().is_none();
    missing.then(|| "libfaketime is not installed (Debian's package faketime)".into())
}

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir(LIBRARIES).ok()?.flatten();
    let mut libraries = folders.map(|folder| folder.path().join(LIBRARY));
    libraries.find(|library| library.is_file())
}

/// The clock of one server.
pub(super) struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// One that goes right, whose offset is kept in `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let clock = Self {
            library: library().context("libfaketime is not installed")?,
            offset: folder.join("clock"),
        };
        clock.set(0)?;
        Ok(clock)
    }

    /// From now on it is ahead by so many seconds.
    pub(super) fn set(&self, ahead_s: i32) -> Result<()> {
        // Whole at once: the server may read it at any time.
        let new = self.offset.with_extension("new");
        fs::write(&new, format!("{ahead_s:+}\n"))?;
        fs::rename(&new, &self.offset).context("cannot set the clock")
    }

    /// With these variables a process goes by it. Its timers go on as they are.
    pub(super) fn variables(&self) -> [(&'static str, OsString); 4] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.clone().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}
