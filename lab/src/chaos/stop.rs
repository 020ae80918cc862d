//! The end of a run, as whoever works beside it waits for it.

use std::time::Duration;

use tokio::sync::watch;

/// Waits for `time`, or for the end, and says whether that has come.
pub(super) async fn stops_within(stop: &mut watch::Receiver<bool>, time: Duration) -> bool {
    tokio::time::timeout(time, stop.wait_for(|stop| *stop))
        .await
        .is_ok()
}
