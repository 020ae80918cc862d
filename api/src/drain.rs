//! Taking leave: before a process stops taking webhooks, whoever sends it some hears of it.
//!
//! A balancer takes an instance out when its checks fail, some of them in a row, and sends webhooks until then. So a stop
//! begins with `/readyz` saying 503 while everything else goes on, for as long as those who ask need to notice.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// How often whoever asks is told, unless a time is set: what balancers take for an instance that is ill (HAProxy's
/// `fall`, for one) and believe.
const TOLD_ENOUGH: u32 = 3;
/// Who asks less often is not waited for: a stop would take longer than operators, and what kills for them, have patience.
const REGULAR: Duration = Duration::from_secs(3);
/// The longest that anybody is waited for, unless a time is set.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// From the last answer of a check until its balancer has acted on it.
const UNTIL_IT_ACTS: Duration = Duration::from_millis(200);
/// Then every answer ends its connection. Whoever keeps one that rests would otherwise send the next webhook into a socket
/// that is just being closed.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Addresses that are remembered.
const ASKERS_MAX: usize = 256;

const SERVING: u8 = 0;
const NOT_READY: u8 = 1;
const CLOSING: u8 = 2;

/// Where the API is in taking its leave, and who wants to know. Its clones are the same one.
#[derive(Clone, Default)]
pub struct Drain(Arc<State>);

#[derive(Default)]
struct State {
    stage: AtomicU8,
    askers: Mutex<HashMap<IpAddr, Asker>>,
    asked: Notify,
}

/// Somebody who asks whether the process is ready.
struct Asker {
    last: Instant,
    /// Between the last two times.
    every: Option<Duration>,
    /// How often it has been told that it is not.
    told: u32,
}

impl Drain {
    /// Says 503 to whoever asks whether the process is ready, and returns when they have had the time to act on it: after
    /// `delay`, or, without one, when everybody who asks every 3 s or oftener has been told three times, after 10 s at most.
    /// If nobody asks, that is at once.
    pub async fn run(&self, delay: Option<Duration>) {
        self.0.stage.store(NOT_READY, Ordering::Relaxed);
        let waited = match delay {
            Some(delay) => {
                tokio::time::sleep(delay).await;
                !delay.is_zero()
            }
            None => self.all_are_told().await,
        };
        if waited {
            self.0.stage.store(CLOSING, Ordering::Relaxed);
            tokio::time::sleep(LAST_ANSWERS).await;
        }
    }

    /// Notes that somebody asks whether the process is ready. Returns whether it is taking its leave.
    pub(crate) fn asked(&self, peer: Option<IpAddr>) -> bool {
        let is_on = self.0.stage.load(Ordering::Relaxed) != SERVING;
        if let Some(peer) = peer {
            let now = Instant::now();
            let mut askers = self.askers();
            if askers.len() >= ASKERS_MAX {
                askers.retain(|_, asker| asker.is_waited_for(now));
            }
            if askers.len() < ASKERS_MAX || askers.contains_key(&peer) {
                let asker = askers.entry(peer).or_insert(Asker::new(now));
                asker.asks(now, is_on);
            }
            drop(askers);
            self.0.asked.notify_one();
        }
        is_on
    }

    /// Whether every answer is its connection's last.
    pub(crate) fn is_closing(&self) -> bool {
        self.0.stage.load(Ordering::Relaxed) == CLOSING
    }

    /// Returns whether there was anybody to tell.
    async fn all_are_told(&self) -> bool {
        let end = Instant::now() + WAIT_MAX;
        let mut waited = false;
        while let Some(until) = self.next_is_expected(Instant::now()) {
            if Instant::now() >= end {
                return true;
            }
            waited = true;
            tokio::select! {
                () = self.0.asked.notified() => {}
                () = tokio::time::sleep_until(until.min(end)) => {}
            }
        }
        if waited {
            tokio::time::sleep(UNTIL_IT_ACTS).await;
        }
        waited
    }

    /// Until when somebody is expected to ask who has not been told often enough.
    fn next_is_expected(&self, now: Instant) -> Option<Instant> {
        let askers = self.askers();
        let waited_for = askers.values().filter(|asker| asker.is_waited_for(now));
        waited_for.map(Asker::given_up_at).max()
    }

    fn askers(&self) -> MutexGuard<'_, HashMap<IpAddr, Asker>> {
        self.0.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asker {
    fn new(now: Instant) -> Self {
        Self {
            last: now,
            every: None,
            told: 0,
        }
    }

    fn asks(&mut self, now: Instant, is_told: bool) {
        if now > self.last {
            self.every = Some(now - self.last);
        }
        self.last = now;
        self.told += u32::from(is_told);
    }

    fn is_waited_for(&self, now: Instant) -> bool {
        let is_regular = self.every.is_some_and(|every| every <= REGULAR);
        is_regular && self.told < TOLD_ENOUGH && now < self.given_up_at()
    }

    /// Who has stayed away for twice its time does not ask any more.
    fn given_up_at(&self) -> Instant {
        self.last + 2 * self.every.unwrap_or_default() + UNTIL_IT_ACTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BALANCER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const EVERY: Duration = Duration::from_secs(2);

    async fn ask(drain: &Drain, times: u32) {
        for _ in 0..times {
            drain.asked(BALANCER);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// How long a stop waits beside somebody who goes on asking.
    async fn stop(drain: &Drain, delay: Option<Duration>) -> Duration {
        let begun = Instant::now();
        let asking = async {
            ask(drain, 1000).await;
        };
        tokio::select! {
            biased;
            () = drain.run(delay) => {}
            () = asking => {}
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_regularly_is_told_three_times() {
        let drain = Drain::default();
        ask(&drain, 3).await;
        assert!(!drain.asked(None));
        let took = stop(&drain, None).await;
        assert_eq!(took, 2 * EVERY + UNTIL_IT_ACTS + LAST_ANSWERS);
        assert!(drain.asked(None) && drain.is_closing());
    }

    #[tokio::test(start_paused = true)]
    async fn without_anybody_who_asks_it_stops_at_once() {
        let drain = Drain::default();
        drain.asked(BALANCER);
        drain.run(None).await;
        assert!(drain.asked(BALANCER) && !drain.is_closing());
        let begun = Instant::now();
        drain.run(None).await;
        assert!(begun.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_again_is_not_waited_for() {
        let drain = Drain::default();
        ask(&drain, 3).await;
        let begun = Instant::now();
        drain.run(None).await;
        assert!(begun.elapsed() <= EVERY + 2 * UNTIL_IT_ACTS + LAST_ANSWERS);
        tokio::time::sleep(10 * EVERY).await;
        let begun = Instant::now();
        drain.run(None).await;
        assert!(begun.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_is_set_is_kept() {
        let drain = Drain::default();
        let delay = Duration::from_secs(30);
        assert_eq!(stop(&drain, Some(delay)).await, delay + LAST_ANSWERS);
    }
}
