//! Connects to whichever of several addresses answers first (RFC 8305, "Happy Eyeballs"): one that is dead
//! costs a quarter of a second, not the whole time that there is.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::sleep};

use super::shortage;

/// How long an address has the race for itself (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects. Takes as long as the system needs to give up every address; whoever calls limits the time.
pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = by_turns(addresses);
    let mut racing = FuturesUnordered::new();
    let mut failure: Option<io::Error> = None;
    loop {
        racing.extend(waiting.pop_front().map(TcpStream::connect));
        let finished = tokio::select! {
            finished = racing.next() => finished,
            () = sleep(HEAD_START), if !waiting.is_empty() => continue,
        };
        match finished {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = Some(more_telling(failure, error)),
            None => return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into())),
        }
    }
}

/// Only if every address failed for want of something here is something short here. A machine without IPv6,
/// say, has no local address towards `::1`, and that is not why a service on `localhost` is down.
fn more_telling(before: Option<io::Error>, error: io::Error) -> io::Error {
    match before {
        Some(before) if !shortage::is_here(&before) => before,
        _ => error,
    }
}

/// The families by turns, beginning with that of the first address (RFC 8305, section 4).
fn by_turns(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let is_first = |address: &SocketAddr| {
        addresses.first().map(SocketAddr::is_ipv6) == Some(address.is_ipv6())
    };
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.iter().copied().partition(is_first);
    let mut turns = VecDeque::new();
    while !(first.is_empty() && second.is_empty()) {
        turns.extend(first.pop_front());
        turns.extend(second.pop_front());
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustix::io::Errno;
    use tokio::{
        net::{TcpListener, TcpSocket},
        time::{Instant, timeout},
    };

    use super::*;

    /// Accepts, and says so by being there.
    async fn alive() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Refuses.
    async fn refusing() -> SocketAddr {
        alive().await.1
    }

    /// Neither accepts nor refuses: its queue is full, so the system leaves out what comes. What is
    /// returned keeps it so.
    async fn silent() -> (impl Sized, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut callers = Vec::new();
        while let Ok(caller) =
            timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            callers.push(caller.unwrap());
            assert!(callers.len() < 100, "its queue has no end");
        }
        ((listener, callers), address)
    }

    #[tokio::test]
    async fn addresses_of_one_family_that_are_dead_cost_a_moment_each() {
        let (_kept, silent) = silent().await;
        let (_listener, alive) = alive().await;
        let began = Instant::now();
        let stream = connect(&[silent, silent, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(began.elapsed() >= 2 * HEAD_START);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test]
    async fn an_address_that_refuses_makes_room_for_the_next_at_once() {
        let (_listener, alive) = alive().await;
        let mut addresses = vec![refusing().await; 15];
        addresses.push(alive);
        let began = Instant::now();
        let stream = connect(&addresses).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(began.elapsed() < 4 * HEAD_START, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn addresses_that_all_refuse_are_a_refusal() {
        let refusing = refusing().await;
        let error = connect(&[refusing, refusing]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect(&[]).await.is_err());
    }

    #[test]
    fn something_is_short_here_only_if_it_is_for_every_address() {
        let of = |errno: Errno| io::Error::from(errno);
        for (errors, expected) in [
            (
                [Errno::ADDRNOTAVAIL, Errno::CONNREFUSED],
                Errno::CONNREFUSED,
            ),
            (
                [Errno::CONNREFUSED, Errno::ADDRNOTAVAIL],
                Errno::CONNREFUSED,
            ),
            ([Errno::MFILE, Errno::MFILE], Errno::MFILE),
        ] {
            let [first, second] = errors.map(of);
            let told = more_telling(Some(more_telling(None, first)), second);
            assert_eq!(Errno::from_io_error(&told), Some(expected));
        }
    }

    #[test]
    fn the_families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let addresses = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let turns = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(by_turns(&addresses), turns);
    }
}
