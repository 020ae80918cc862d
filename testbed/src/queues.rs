//! The queues that belong together: the one that somebody names, and those that the service declares beside it. Their names
//! are said here once more than in the service itself, for tests that look at them from outside.

/// Where the service puts messages that it cannot use.
pub fn dead_letter(queue: &str) -> String {
    format!("{queue}.dead-letter")
}

/// `queue` and those beside it.
pub fn all(queue: &str) -> [String; 3] {
    let returned = format!("{queue}.returned");
    [queue.to_owned(), dead_letter(queue), returned]
}

/// Deletes all of them. Nothing where there is none.
#[cfg(feature = "queues")]
pub async fn delete_all(amqp_url: &str, queue: &str) -> anyhow::Result<()> {
    for queue in all(queue) {
        crate::rabbitmq::delete_queue(amqp_url, &queue).await?;
    }
    Ok(())
}
