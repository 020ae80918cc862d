//! The probe of the threads' lag: a byte through a pair of sockets, sent every few milliseconds. It takes the way that a
//! request takes: the kernel's list of ready sockets, the runtime's queue, a thread. A timer alone would not do: what is
//! woken by one may overtake what has waited for longer, and it never waits in the kernel's list.

use std::{
    convert::Infallible,
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::Admission;

/// From one probe to the next.
const EVERY: Duration = Duration::from_millis(5);

impl Admission {
    /// Runs `server`, and beside it what measures how late the threads are.
    pub(crate) async fn beside(&self, server: impl Future<Output = ()>) {
        let admission = self.clone();
        let probe = tokio::spawn(async move {
            let Err(error) = run(admission).await;
            tracing::warn!(event = "probe_failed", %error, "nobody measures how late the threads are");
        });
        server.await;
        probe.abort();
    }
}

/// Measures while webhooks come, and rests while none do. Ends only with an error: without sockets there is no probe.
async fn run(admission: Admission) -> io::Result<Infallible> {
    let (mut near, mut far) = UnixStream::pair()?;
    let mut bytes = [0; 2];
    let mut due = Instant::now();
    loop {
        if admission.is_quiet() {
            admission.with(|controller, _| controller.threads().probe_rests());
            admission.not_quiet().await;
            due = Instant::now();
        }
        admission.with(|controller, _| controller.threads().probe_left(due));
        tokio::time::sleep_until(due.into()).await;
        far.write_all(&[0]).await?;
        // The runtime takes a read that fills the buffer to mean that there is more, and would not wait for the kernel to
        // say so the next time. One that leaves room makes it wait.
        if near.read(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        admission.with(|controller, now| controller.threads().probe_is_back(now));
        due = (due + EVERY).max(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        thread,
        time::{Duration, Instant},
    };

    use super::run;
    use crate::{
        admission::Admission,
        lane::{Ahead, Lane},
        slots::Slots,
    };

    const WITHIN: Duration = Duration::from_secs(10);

    /// This test has a thread of its own and may block it; the probe runs on the only worker.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_thread_that_is_kept_busy_is_seen_while_it_is_and_forgotten_after() {
        let admission = Admission::new(Slots::SQLITE);
        let lag = || admission.with(|controller, now| controller.threads().lag(now));
        let until = |is: &dyn Fn(Duration) -> bool| {
            let start = Instant::now();
            while !is(lag()) {
                assert!(start.elapsed() < WITHIN, "{:?}", lag());
                admission.admits(Lane::BUILT_IN, Ahead::default());
                thread::yield_now();
            }
        };
        let probe = tokio::spawn(run(admission.clone()));
        until(&|lag| lag > Duration::ZERO);
        let (release, released) = mpsc::channel::<()>();
        let busy = tokio::spawn(async move {
            let _ = released.recv();
        });
        until(&|lag| lag > Duration::from_millis(200));
        drop(release);
        until(&|lag| lag < Duration::from_millis(100));
        busy.await.unwrap();
        probe.abort();
    }
}
