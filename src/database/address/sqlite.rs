//! A SQLite file's address: `sqlite:FILE`, or `sqlite://FILE`, with parameters as in <https://sqlite.org/uri.html>.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    checked::{Address, Place},
    parts::{decode, pairs, without_effect},
};

/// What a path keeps as it is.
const PATH: AsciiSet = NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// Reads what stands behind `sqlite:`. Refuses what would forget: a 202 promises that the webhook is kept.
pub(super) fn parse(rest: &str) -> Result<Address, String> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (file, query) = rest.split_once('?').unwrap_or((rest, ""));
    let file = decode(file)?;
    if rest.contains(":memory:") {
        return Err(in_memory());
    }
    if file.starts_with("file:") {
        return Err("must name the file itself: sqlite:FILE".into());
    }
    let mut must_exist = false;
    let mut ignored = Vec::new();
    for (name, value) in pairs(query)? {
        match (name.as_str(), value.as_str()) {
            ("mode", "rwc") | ("cache", "private") | ("immutable", "0" | "false") => {}
            ("mode", "rw") => must_exist = true,
            ("mode", "memory") => return Err(in_memory()),
            ("mode", _) => return Err("must have mode=rwc, as webhooks are written".into()),
            // Each connection would then wait for the others' reads as well, and fail rather than wait.
            ("cache", _) => return Err("must have cache=private".into()),
            // SQLite would look for no changes, and take no locks.
            ("immutable", _) => {
                return Err("must have no immutable=1, as webhooks are written".into());
            }
            ("vfs", _) => return Err("must have no vfs: its locks are what keeps it whole".into()),
            _ => ignored.push(name),
        }
    }
    if file.is_empty() {
        return Err("must name a file: sqlite:FILE".into());
    }
    let path = std::path::absolute(PathBuf::from(&file))
        .map_err(|_| "must name a file by a path that can be made absolute".to_owned())?;
    Ok(Address {
        // As it was given, and not absolute: which name of a file it is opened by matters to SQLite.
        url: format!("sqlite:{}", utf8_percent_encode(&file, &PATH)),
        place: Place::Sqlite { path, must_exist },
        notes: without_effect(&ignored).into_iter().collect(),
        filled_in: Vec::new(),
    })
}

fn in_memory() -> String {
    "must name a file: a database in memory would forget what a 202 has promised".into()
}
