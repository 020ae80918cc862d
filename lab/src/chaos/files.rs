//! How many files this process may have open, what follows for its senders and for the calls of its downstream, and whether
//! it came to the end of them.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;

use super::locked::locked;

/// More is no use, and some servers keep a table of as many as they may open.
const FILES_MAX: u64 = 1 << 18;
/// What a run needs beside its senders' requests and its downstream's calls, with the connections that they keep.
const FILES_BESIDE: u64 = 1000;
/// What a request may take: its sender's end, the proxy's two, and one that is being closed.
const FILES_PER_REQUEST: u64 = 4;
/// One of so many of the rest is for calls.
const PART_FOR_CALLS: u64 = 3;
/// From one look at how many are open to the next.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// With no more left than this, whoever needs one may have found none.
const FEW_LEFT: u64 = 200;
/// What may be open between two runs beyond what was before the first: the servers' guardians, and the lab's own.
const KEPT_MAX: u64 = 100;
/// How long what a run has dropped may take to be closed.
pub(super) const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// This process's open files.
pub(super) struct Files {
    /// Requests at once for which there are files, in all runs together.
    pub(super) requests: Arc<Semaphore>,
    /// Files for the calls of each run's downstream.
    pub(super) for_calls: u64,
    limit: u64,
    at_first: u64,
    /// Runs under way.
    runs: AtomicU32,
    /// When there were hardly any left, last.
    ran_out: Mutex<Option<Instant>>,
}

impl Files {
    /// Raises this process's limit as far as it may, for so many runs side by side.
    pub(super) fn of(runs: u8) -> Result<Arc<Self>> {
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(u64::MAX).min(FILES_MAX);
        let files = limit.current.unwrap_or(u64::MAX).max(most);
        let raised = Rlimit {
            current: Some(files),
            ..limit
        };
        setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
        let runs = u64::from(runs);
        let left = files.min(FILES_MAX).saturating_sub(runs * FILES_BESIDE);
        let for_calls = left / PART_FOR_CALLS;
        let requests = usize::try_from((left - for_calls) / FILES_PER_REQUEST)?;
        Ok(Arc::new(Self {
            requests: Arc::new(Semaphore::new(requests)),
            for_calls: for_calls / runs,
            limit: files,
            at_first: open()?,
            runs: AtomicU32::new(0),
            ran_out: Mutex::default(),
        }))
    }

    /// Looks again and again whether they come to an end.
    pub(super) async fn watch(&self) -> Result<()> {
        loop {
            if open()? + FEW_LEFT > self.limit {
                *locked(&self.ran_out) = Some(Instant::now());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn run_begins(&self) {
        self.runs.fetch_add(1, Ordering::SeqCst);
    }

    /// Fails if a run that began at `began` had no files, for then what it found proves nothing; and, if it was the only one, if
    /// some are still open so much later.
    pub(super) async fn run_ends(&self, began: Instant, closed_within: Duration) -> Result<()> {
        let is_last = self.runs.fetch_sub(1, Ordering::SeqCst) == 1;
        let ran_out = locked(&self.ran_out).is_some_and(|at| at > began);
        ensure!(!ran_out, "this process ran out of its {} files", self.limit);
        let ended = Instant::now();
        while is_last && self.runs.load(Ordering::SeqCst) == 0 {
            let left = open()?.saturating_sub(self.at_first);
            if left <= KEPT_MAX {
                break;
            }
            ensure!(
                ended.elapsed() < closed_within,
                "{left} files are left open"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// How many are open.
fn open() -> Result<u64> {
    let open = fs::read_dir("/proc/self/fd").context("cannot look at what is open")?;
    Ok(open.count() as u64)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        time::{Duration, Instant},
    };

    use super::{Files, KEPT_MAX};

    #[tokio::test]
    async fn a_run_that_leaves_files_open_is_told_so() {
        let files = Files::of(1).unwrap();
        let ends = async || files.run_ends(Instant::now(), Duration::ZERO).await;
        files.run_begins();
        ends().await.unwrap();
        files.run_begins();
        let file = || File::open("/dev/null").unwrap();
        let left: Vec<File> = (0..2 * KEPT_MAX).map(|_| file()).collect();
        let told = ends().await.unwrap_err();
        assert!(told.to_string().contains("are left open"), "{told}");
        // Beside another run nobody can tell whose they are.
        files.run_begins();
        files.run_begins();
        ends().await.unwrap();
        drop(left);
        ends().await.unwrap();
    }
}
