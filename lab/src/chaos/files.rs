//! How many files this process may have open, and what follows for its senders.

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::load::Room;

/// More is no use, and some servers keep a table of as many as they may open.
const FILES_MAX: u64 = 1 << 18;
/// What a run needs beside its senders' requests.
const FILES_BESIDE: u64 = 500;
/// What a request may take: its sender's end, the proxy's two, and one that is being closed.
const FILES_PER_REQUEST: u64 = 4;

/// Raises this process's limit as far as it may, and returns what is there for the senders of each of so many runs side by
/// side, at so many webhooks per second.
pub(super) fn room(runs: u8, rate: u16) -> Result<Room> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(FILES_MAX);
    let files = limit.current.unwrap_or(u64::MAX).max(most);
    let raised = Rlimit {
        current: Some(files),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    let requests = (files / u64::from(runs)).saturating_sub(FILES_BESIDE) / FILES_PER_REQUEST;
    Ok(Room {
        rate: f64::from(rate),
        requests: usize::try_from(requests)?,
    })
}
