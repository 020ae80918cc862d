//! Waiting for what is true at some time, and then stays so.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Between two looks. Rates do not depend on it: they end with the last `processed_at`.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looks until `is_so`, for no longer than `within`; an error says what was not.
pub(super) async fn until(
    within: Duration,
    what: &str,
    mut is_so: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !is_so().await? {
        ensure!(start.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
