//! What a process is for.

/// What a process runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// API, relay and consumer; migrates first.
    Everything,
    /// API and relay.
    Api,
    /// The consumer.
    Consumer,
}

impl Role {
    /// Whether it serves HTTP and publishes.
    pub fn has_api(self) -> bool {
        matches!(self, Self::Everything | Self::Api)
    }

    /// Whether it does the work.
    pub fn has_consumer(self) -> bool {
        matches!(self, Self::Everything | Self::Consumer)
    }
}
