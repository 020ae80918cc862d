//! The queues that the service declares under one name.

/// Where it puts messages that it cannot use.
pub(crate) fn dead_letter(queue: &str) -> String {
    format!("{queue}.dead-letter")
}

pub(crate) fn all(queue: &str) -> [String; 3] {
    let returned = format!("{queue}.returned");
    [queue.to_owned(), dead_letter(queue), returned]
}
