//! Waiting: for sockets to be readable, or for a time far finer than a millisecond.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::{
    event::epoll,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};

/// Events taken at once.
const EVENTS_MAX: usize = 256;
/// What the timer's events carry instead of a connection's number.
const TIMER: u64 = u64::MAX;
/// A look at the clock at least so often, even if nothing happens.
const LOOK_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

pub(super) struct Events {
    epoll: OwnedFd,
    timer: OwnedFd,
    ready: Vec<epoll::Event>,
}

impl Events {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .context("timerfd")?;
        // Edge-triggered: setting the timer anew rearms it, and nobody needs to read it.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), flags)?;
        Ok(Self {
            epoll,
            timer,
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

    /// Waits for connections, at most for `limit`, and puts the numbers of those that can be read into `readable`.
    pub(super) fn wait(
        &mut self,
        limit: Option<Duration>,
        readable: &mut Vec<usize>,
    ) -> Result<()> {
        if let Some(limit) = limit {
            // A time of zero would switch the timer off.
            let limit = limit.max(Duration::from_nanos(1));
            let once = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: Timespec {
                    tv_sec: i64::try_from(limit.as_secs())?,
                    tv_nsec: i64::from(limit.subsec_nanos()),
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).context("timerfd")?;
        }
        self.ready.clear();
        readable.clear();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut self.ready),
            Some(&LOOK_EVERY),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll"),
        }
        let numbers = self.ready.iter().map(|event| event.data.u64());
        readable.extend(
            numbers
                .filter(|number| *number != TIMER)
                .map(|number| number as usize),
        );
        Ok(())
    }
}
