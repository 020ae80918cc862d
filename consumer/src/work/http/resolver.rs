//! Where the service is now: the addresses of its name.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

/// Addresses that are used of one name.
const ADDRESSES_MAX: usize = 16;

type Outcome = Result<Arc<[SocketAddr]>, Arc<io::Error>>;
type LookUp = BoxFuture<'static, Outcome>;

/// Looks one name up. Remembers nothing: what the system and its name servers say is what counts, now.
pub(super) struct Resolver {
    host: String,
    port: u16,
    /// The look-up under way, if anybody waits for one. A look-up keeps a thread (getaddrinfo(3)), for half
    /// a minute if no name server answers, and there are only so many: so all who ask meanwhile share it.
    under_way: Mutex<Option<WeakShared<LookUp>>>,
}

impl Resolver {
    /// `host` is a name or an IP address, the latter without brackets.
    pub(super) fn new(host: String, port: u16) -> Self {
        Self {
            host,
            port,
            under_way: Mutex::new(None),
        }
    }

    /// At least one address, in the system's order of preference (RFC 6724).
    pub(super) fn resolve(&self) -> Shared<LookUp> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(look_up) = under_way.as_ref().and_then(WeakShared::upgrade) {
            return look_up;
        }
        let look_up = look_up(self.host.clone(), self.port).boxed().shared();
        *under_way = look_up.downgrade();
        look_up
    }
}

async fn look_up(host: String, port: u16) -> Outcome {
    let found = tokio::net::lookup_host((host, port)).await?;
    let addresses: Arc<[SocketAddr]> = found.take(ADDRESSES_MAX).collect();
    match addresses.is_empty() {
        false => Ok(addresses),
        true => Err(Arc::new(io::Error::other("the name has no address"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_stands_for_itself() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let addresses = Resolver::new(host.into(), 80).resolve().await.unwrap();
            assert_eq!(*addresses, [expected.parse().unwrap()]);
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_shares_the_answer_and_who_asks_later_does_not() {
        let resolver = Resolver::new("localhost".into(), 80);
        let first = resolver.resolve();
        let second = resolver.resolve();
        assert!(first.ptr_eq(&second));
        first.await.unwrap();
        second.await.unwrap();
        let third = resolver.resolve();
        assert!(third.peek().is_none());
    }
}
