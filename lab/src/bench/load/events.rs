//! Waiting: for sockets to be readable, or for a time far finer than a millisecond.

use std::{
    num::NonZeroU64,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, epoll, poll},
    io::Errno,
    thread::set_current_timer_slack,
};

/// Events taken at once.
const EVENTS_MAX: usize = 256;
/// A look at the clock at least so often, even if nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Events {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
}

impl Events {
    pub(super) fn new() -> Result<Self> {
        // The kernel may otherwise wake this thread 50 µs late.
        set_current_timer_slack(NonZeroU64::new(1)).context("timer slack")?;
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?,
            ready: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Watches a connection for answers.
    pub(super) fn watch(&self, connection: impl AsFd, number: usize) -> Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, connection, data, epoll::EventFlags::IN).context("epoll")
    }

    /// Whether the last wait took as much as it could, so that there may be more.
    pub(super) fn may_have_more(&self) -> bool {
        self.ready.len() == self.ready.capacity()
    }

    /// Waits for connections, at most for `limit`, and returns the numbers of those that can be read.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> Result<Vec<usize>> {
        let rest = match limit {
            Some(limit) => {
                // `epoll` itself waits in whole milliseconds only.
                let limit = Timespec::try_from(limit.min(LOOK_EVERY))?;
                let mut watched = [PollFd::new(&self.epoll, PollFlags::IN)];
                interrupted_or(poll(&mut watched, Some(&limit)))?;
                Timespec::default()
            }
            None => Timespec::try_from(LOOK_EVERY)?,
        };
        self.ready.clear();
        let ready = spare_capacity(&mut self.ready);
        interrupted_or(epoll::wait(&self.epoll, ready, Some(&rest)))?;
        let numbers = self.ready.iter().map(|event| event.data.u64() as usize);
        Ok(numbers.collect())
    }
}

/// A signal ends a wait, and nothing is wrong.
fn interrupted_or<T>(waited: rustix::io::Result<T>) -> Result<()> {
    match waited {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error).context("cannot wait"),
    }
}
