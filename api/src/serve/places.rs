//! Who may be connected: so many at once, and when more want to, who has said nothing for longest makes room.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Nobody makes room who has said something within this time: they may be about to say more.
const RESTED: Duration = Duration::from_secs(1);
/// While everybody has said something so recently: until the next look.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The places of one listener.
pub(super) struct Places {
    start: Instant,
    free: Arc<Semaphore>,
    guests: Mutex<Guests>,
}

#[derive(Default)]
struct Guests {
    all: HashMap<u64, Arc<Guest>>,
    next: u64,
    /// Who can make room, as they were found when this was made: who has rested for longest last.
    resting: Vec<(u64, Arc<Guest>)>,
}

impl Places {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            free: Arc::new(Semaphore::new(count)),
            guests: Mutex::default(),
        })
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        let permit = loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                break permit;
            }
            let makes_room = self.guests().longest_at_rest(millis_since(self.start));
            if let Some(guest) = &makes_room {
                guest.leave.notify_one();
            }
            let freed = self.free.clone().acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, freed).await {
                break permit;
            }
        };
        let guest = Arc::new(Guest::new(self.start));
        let mut guests = self.guests();
        let number = guests.next;
        guests.next += 1;
        guests.all.insert(number, guest.clone());
        drop(guests);
        Place {
            guest,
            number,
            places: self.clone(),
            _permit: permit,
        }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// `now` is in milliseconds since the start.
    fn longest_at_rest(&mut self, now: u64) -> Option<Arc<Guest>> {
        let rested = now.checked_sub(RESTED.as_millis() as u64)?;
        if self.resting.is_empty() {
            let guests = self.all.values();
            let resting = guests.map(|guest| (guest.since(), guest.clone()));
            self.resting = resting.filter(|(since, _)| *since <= rested).collect();
            self.resting
                .sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
        }
        while let Some((since, guest)) = self.resting.pop() {
            // Whoever has spoken since then, or is gone, is passed over.
            if guest.since() == since && Arc::strong_count(&guest) > 1 {
                return Some(guest);
            }
        }
        None
    }
}

/// One connection's place, which is free again when this is dropped.
pub(super) struct Place {
    pub(super) guest: Arc<Guest>,
    number: u64,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.guests().all.remove(&self.number);
    }
}

/// Where a connection is between two requests.
pub(super) struct Guest {
    start: Instant,
    /// Since when it rests, in milliseconds since `start`; [`BUSY`] from the end of a request's head to the end of its
    /// answer.
    since: AtomicU64,
    is_answered: AtomicBool,
    /// The answer says that it is the last.
    is_sent_away: AtomicBool,
    leave: Notify,
}

const BUSY: u64 = u64::MAX;

impl Guest {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            since: AtomicU64::new(millis_since(start)),
            is_answered: AtomicBool::new(false),
            is_sent_away: AtomicBool::new(false),
            leave: Notify::new(),
        }
    }

    /// A request's head has been read.
    pub(super) fn asks(&self) {
        self.is_answered.store(false, Ordering::Relaxed);
        self.since.store(BUSY, Ordering::Relaxed);
    }

    /// The answer is made, and may say that it is the connection's last. It is still to be written.
    pub(super) fn is_answered(&self, is_last: bool) {
        if is_last {
            self.is_sent_away.store(true, Ordering::Relaxed);
        }
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// All that was to be written has been. Returns whether that ends an answer.
    pub(super) fn all_is_written(&self) -> bool {
        let is_answered = self.is_answered.load(Ordering::Relaxed);
        if is_answered {
            self.is_answered.store(false, Ordering::Relaxed);
            self.since
                .store(millis_since(self.start), Ordering::Relaxed);
        }
        is_answered
    }

    pub(super) fn is_busy(&self) -> bool {
        self.since() == BUSY
    }

    pub(super) fn is_sent_away(&self) -> bool {
        self.is_sent_away.load(Ordering::Relaxed)
    }

    /// Waits until its place is wanted for another.
    pub(super) async fn is_to_leave(&self) {
        self.leave.notified().await;
    }

    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }
}

fn millis_since(start: Instant) -> u64 {
    start.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_said_nothing_for_longest_makes_room() {
        let places = Places::new(3);
        let mut guests = Vec::new();
        for _ in 0..3 {
            guests.push(places.take().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The first has spoken since, the second is being answered.
        tokio::time::sleep(RESTED).await;
        guests[0].guest.asks();
        guests[0].guest.is_answered(false);
        guests[0].guest.all_is_written();
        guests[1].guest.asks();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        guests[2].guest.is_to_leave().await;
        drop(guests.pop());
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_makes_room_who_has_just_spoken() {
        let places = Places::new(1);
        let only = places.take().await;
        only.guest.asks();
        only.guest.is_answered(false);
        let begun = Instant::now();
        only.guest.all_is_written();
        let (waiting, ()) = tokio::join!(places.take(), async {
            only.guest.is_to_leave().await;
            assert!(begun.elapsed() >= RESTED);
            drop(only);
        });
        assert!(!waiting.guest.is_busy());
    }
}
