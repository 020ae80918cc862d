//! A TCP proxy that can be told to misbehave: one stands in front of every connection.

mod link;
mod mode;
mod orders;
#[cfg(test)]
mod tests;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub use self::mode::{Mode, Way};
use self::{
    link::link,
    orders::{Order, Orders},
};

/// A listening proxy. Dropping it ends every connection through it.
pub struct Proxy {
    address: SocketAddr,
    order: watch::Sender<Order>,
    /// How many connections it has accepted; each is known by its number.
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on `port` of 127.0.0.1, or on any free one for 0, and passes each connection on to the first of
    /// `servers` that takes it.
    pub async fn start(port: u16, servers: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .context("a proxy cannot listen")?;
        let address = listener.local_addr()?;
        let (order, orders) = watch::channel(Order::FIRST);
        let accepted = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(serve(listener, address, servers, orders, accepted.clone()));
        Ok(Self {
            address,
            order,
            accepted,
            task,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on does that.
    pub fn set(&self, mode: Mode) {
        self.order.send_modify(|order| order.mode = mode);
    }

    /// Loses every connection that stands: for good nothing passes on it, not even an end, and nobody is told. New ones
    /// are as the mode says. So it is after a failover, or when a firewall has forgotten its connections.
    pub fn lose(&self) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        self.order.send_modify(|order| order.lost = accepted);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    servers: Vec<SocketAddr>,
    orders: watch::Receiver<Order>,
    numbers: Arc<AtomicU64>,
) {
    let mut links = JoinSet::new();
    let mut listener = Some(listener);
    let first = Arc::new(Mutex::new(0));
    let mut own = Orders::to_all(orders.clone());
    loop {
        let Some(open) = &listener else {
            // An error says that the proxy is gone.
            if own.wait_for(|mode| mode != Mode::Refuse).await.is_err() {
                return;
            }
            // The port is below those that the kernel gives away; should somebody have it all the same, try on.
            listener = TcpListener::bind(address).await.ok();
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        tokio::select! {
            accepted = open.accept() => if let Ok((client, _)) = accepted {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                let orders = Orders::to(number, orders.clone());
                links.spawn(connect(client, servers.clone(), first.clone(), orders));
            },
            refuse = own.wait_for(|mode| mode == Mode::Refuse) => match refuse {
                Ok(()) => listener = None,
                Err(_) => return,
            },
            Some(_) = links.join_next() => {}
        }
    }
}

/// Connects to a server and lets the two talk. `first` remembers which server took the last connection.
async fn connect(
    client: TcpStream,
    servers: Vec<SocketAddr>,
    first: Arc<Mutex<usize>>,
    mut orders: Orders,
) {
    // Through a cut cable no connection comes about; the client's own has, for all it knows.
    let open = orders.wait_for(|mode| !matches!(mode, Mode::Blackhole | Mode::Deaf(_)));
    if open.await.is_err() {
        return;
    }
    let start = *first.lock().unwrap_or_else(PoisonError::into_inner);
    for turn in 0..servers.len() {
        let at = (start + turn) % servers.len();
        if let Ok(server) = TcpStream::connect(servers[at]).await {
            *first.lock().unwrap_or_else(PoisonError::into_inner) = at;
            return link(client, server, orders).await;
        }
    }
    // Nobody there: the client hears what it would hear from a closed port.
    let _ = client.set_zero_linger();
}
