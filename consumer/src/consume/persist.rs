//! Calls to the database that must succeed.

use std::time::Duration;

use entity::lifecycle;
use queue::Backoff;
use sea_orm::DbErr;

/// Repeats a call to the database until it succeeds: what is in flight stays there meanwhile, unacked.
///
/// # Errors
/// No repetition would help: the data is refused, or the call itself.
pub(super) async fn persist<T, F>(doing: &'static str, call: impl Fn() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let mut backoff = Backoff::new();
    loop {
        match call().await {
            Err(error)
                if !lifecycle::refuses_the_data(&error) && !lifecycle::can_never_work(&error) =>
            {
                let wait: Duration = backoff.next_wait();
                tracing::warn!(event = "consumer_statement_failed", %error, ?wait, "consumer could not {doing}; trying again");
                tokio::time::sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}
