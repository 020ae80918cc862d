use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Mode, Proxy, Way};

/// Long enough to be sure that nothing comes, short enough to wait for.
const SILENCE: Duration = Duration::from_millis(150);
/// Long enough for anything that should come.
const SOON: Duration = Duration::from_secs(10);

/// A server that sends back whatever it hears.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// A proxy, and the two ends of a connection through it.
async fn both_ends() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let servers = vec![listener.local_addr().unwrap()];
    let proxy = Proxy::start(0, servers).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (proxy, client, server)
}

async fn proxy() -> Proxy {
    Proxy::start(0, vec![echo().await]).await.unwrap()
}

/// A connection through `proxy` that has worked.
async fn connected(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"hello").await, b"hello");
    stream
}

async fn say(stream: &mut TcpStream, words: &[u8]) -> Vec<u8> {
    stream.write_all(words).await.unwrap();
    hear(stream, words.len()).await
}

async fn hear(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut heard = vec![0; bytes];
    let reading = tokio::time::timeout(SOON, stream.read_exact(&mut heard));
    reading.await.expect("an answer").unwrap();
    heard
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    let heard = tokio::time::timeout(SILENCE, stream.read_u8());
    heard.await.is_err()
}

async fn is_reset(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut rest));
    read.await.expect("an end").is_err()
}

#[tokio::test]
async fn everything_passes_and_so_does_the_end() {
    let proxy = proxy().await;
    let mut stream = connected(&proxy).await;
    let words = vec![7; 100_000];
    let mut heard = vec![0; words.len()];
    {
        let (mut from, mut to) = stream.split();
        let both = async { tokio::try_join!(to.write_all(&words), from.read_exact(&mut heard)) };
        let passed = tokio::time::timeout(SOON, both).await;
        passed.expect("an answer").unwrap();
    }
    assert_eq!(heard, words);
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_delay_holds_every_piece_back() {
    let proxy = proxy().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Mode::Delay(SILENCE));
    let sent = Instant::now();
    assert_eq!(say(&mut stream, b"late").await, b"late");
    assert!(sent.elapsed() >= 2 * SILENCE, "{:?}", sent.elapsed());
}

#[tokio::test]
async fn bytes_drip_at_their_rate() {
    let proxy = proxy().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Mode::Drip(100));
    let sent = Instant::now();
    assert_eq!(say(&mut stream, &[1; 40]).await, [1; 40]);
    let took = sent.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    proxy.set(Mode::Pass);
    assert_eq!(say(&mut stream, &[2; 5000]).await, [2; 5000]);
}

#[tokio::test]
async fn a_blackhole_tells_nobody_and_swallows_nothing_for_good() {
    let proxy = proxy().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Mode::Blackhole);
    stream.write_all(b"anybody?").await.unwrap();
    assert!(is_silent(&mut stream).await);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    new.write_all(b"new").await.unwrap();
    assert!(is_silent(&mut new).await);
    proxy.set(Mode::Pass);
    assert_eq!(hear(&mut stream, 8).await, b"anybody?");
    assert_eq!(hear(&mut new, 3).await, b"new");
}

#[tokio::test]
async fn a_deaf_way_leaves_the_other_one_open() {
    let (proxy, mut client, mut server) = both_ends().await;
    for way in [Way::ToServer, Way::ToClient] {
        proxy.set(Mode::Deaf(way));
        let (deaf, other) = match way {
            Way::ToServer => (&mut server, &mut client),
            Way::ToClient => (&mut client, &mut server),
        };
        other.write_all(b"lost?").await.unwrap();
        assert!(is_silent(deaf).await);
        deaf.write_all(b"heard").await.unwrap();
        assert_eq!(hear(other, 5).await, b"heard");
        proxy.set(Mode::Pass);
        assert_eq!(hear(deaf, 5).await, b"lost?");
    }
}

#[tokio::test]
async fn a_reset_hits_old_connections_and_new_ones() {
    let proxy = proxy().await;
    let mut old = connected(&proxy).await;
    proxy.set(Mode::Reset);
    assert!(is_reset(&mut old).await);
    // A new one may be reset before its client has heard that it is open.
    if let Ok(mut new) = TcpStream::connect(proxy.address()).await {
        assert!(is_reset(&mut new).await);
    }
    proxy.set(Mode::Pass);
    connected(&proxy).await;
}

#[tokio::test]
async fn a_cut_comes_after_so_many_bytes() {
    let proxy = proxy().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Mode::CutAfter(100));
    assert_eq!(say(&mut stream, &[3; 40]).await, [3; 40]);
    stream.write_all(&[4; 40]).await.unwrap();
    assert!(is_reset(&mut stream).await);
}

#[tokio::test]
async fn a_refusal_leaves_standing_connections_alone() {
    let proxy = proxy().await;
    let mut old = connected(&proxy).await;
    proxy.set(Mode::Refuse);
    let since = Instant::now();
    while TcpStream::connect(proxy.address()).await.is_ok() {
        assert!(since.elapsed() < SOON);
    }
    assert_eq!(say(&mut old, b"still here").await, b"still here");
    proxy.set(Mode::Pass);
    while TcpStream::connect(proxy.address()).await.is_err() {
        assert!(since.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    connected(&proxy).await;
}

#[tokio::test]
async fn a_connection_goes_to_the_first_server_that_takes_it() {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = gone.local_addr().unwrap();
    drop(gone);
    let proxy = Proxy::start(0, vec![nobody, echo().await]).await.unwrap();
    connected(&proxy).await;
    let nowhere = Proxy::start(0, vec![nobody]).await.unwrap();
    let mut stream = TcpStream::connect(nowhere.address()).await.unwrap();
    assert!(is_reset(&mut stream).await);
}

#[tokio::test]
async fn what_is_lost_hangs_for_good_while_new_connections_pass() {
    let proxy = proxy().await;
    let mut old = connected(&proxy).await;
    proxy.lose();
    old.write_all(b"anybody?").await.unwrap();
    assert!(is_silent(&mut old).await);
    let mut new = connected(&proxy).await;
    // No mode brings it back, and none tells it that it is dead.
    proxy.set(Mode::Reset);
    assert!(is_reset(&mut new).await);
    assert!(is_silent(&mut old).await);
    proxy.set(Mode::Pass);
    assert!(is_silent(&mut old).await);
    connected(&proxy).await;
}

#[tokio::test]
async fn the_end_of_a_lost_connection_does_not_arrive() {
    let (proxy, client, mut server) = both_ends().await;
    proxy.lose();
    drop(client);
    assert!(is_silent(&mut server).await);
}
