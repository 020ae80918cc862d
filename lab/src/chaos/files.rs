//! How many files this process may have open, and what follows for its senders.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;

/// More is no use, and some servers keep a table of as many as they may open.
const FILES_MAX: u64 = 1 << 18;
/// What a run needs beside its senders' requests, with the connections that they keep.
const FILES_BESIDE: u64 = 1000;
/// What a request may take: its sender's end, the proxy's two, and one that is being closed.
const FILES_PER_REQUEST: u64 = 4;

/// Raises this process's limit as far as it may, and returns for how many requests at once there are files, in so many runs
/// side by side.
pub(super) fn for_requests(runs: u8) -> Result<Arc<Semaphore>> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(FILES_MAX);
    let files = limit.current.unwrap_or(u64::MAX).max(most);
    let raised = Rlimit {
        current: Some(files),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    let left = files
        .min(FILES_MAX)
        .saturating_sub(u64::from(runs) * FILES_BESIDE);
    let requests = usize::try_from(left / FILES_PER_REQUEST)?;
    Ok(Arc::new(Semaphore::new(requests)))
}
