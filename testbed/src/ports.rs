//! Ports for private servers.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, bail};

/// Below the range from which the kernel takes ports for outgoing connections: a client that keeps trying to reach a
/// stopped server could otherwise be given that very port, connect to itself and keep the server from coming back.
/// Clear of 35672 to 35682 too, where RabbitMQ's command-line tools listen.
const RANGE: Range<u16> = 20_000..30_000;

/// The inter-node port of a RabbitMQ with default settings; a node that meets it dies at start.
const DEFAULT_RABBITMQ_DISTRIBUTION: u16 = 25_672;

/// How often a server that does not come up is tried again on other ports.
const ATTEMPTS: u32 = 3;

/// The ports this process has handed out, so that two servers that start at the same time never share one.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Returns a TCP port of 127.0.0.1 that was free a moment ago, and that this process has not handed out before.
pub fn free() -> Result<u16> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in RANGE {
        let port = rand::random_range(RANGE);
        if port != DEFAULT_RABBITMQ_DISTRIBUTION
            && !taken.contains(&port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", RANGE.start, RANGE.end)
}

/// Calls `start`, which takes its own ports, until it succeeds, and gives up with its last error after [`ATTEMPTS`]:
/// another process may take a port between the look and the start.
pub async fn retry<T>(start: impl AsyncFn() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        if let Ok(started) = start().await {
            return Ok(started);
        }
    }
    start().await
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeSet};

    use anyhow::bail;

    use super::{ATTEMPTS, free, retry};

    #[test]
    fn no_port_is_handed_out_twice() {
        let ports: BTreeSet<u16> = (0..100).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 100);
    }

    #[tokio::test]
    async fn a_start_is_tried_again_and_its_last_error_told() {
        let tried = Cell::new(0);
        let third_time_lucky = async || {
            tried.set(tried.get() + 1);
            if tried.get() < ATTEMPTS {
                bail!("attempt {}", tried.get())
            }
            Ok("started")
        };
        assert_eq!(retry(third_time_lucky).await.unwrap(), "started");
        let error = retry(async || -> anyhow::Result<()> { bail!("port taken") })
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "port taken");
    }
}
