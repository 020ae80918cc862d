//! A queue and those that are declared beside it: their names, for tests that look at them from outside.

/// Where messages go that cannot be used.
pub fn dead_letter(queue: &str) -> String {
    format!("{queue}.dead-letter")
}

/// Where messages go that the broker has dropped.
pub fn returned(queue: &str) -> String {
    format!("{queue}.returned")
}

/// `queue` and those beside it.
pub fn all(queue: &str) -> [String; 3] {
    [queue.to_owned(), dead_letter(queue), returned(queue)]
}

/// Deletes all of them. Nothing where there is none.
#[cfg(feature = "queues")]
pub async fn delete_all(amqp_url: &str, queue: &str) -> anyhow::Result<()> {
    for queue in all(queue) {
        crate::rabbitmq::delete_queue(amqp_url, &queue).await?;
    }
    Ok(())
}
