//! Where the API listens.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::net::{TcpListener, TcpSocket};

use crate::config::{BadSetting, Config};

/// Connections that the kernel keeps until they are accepted. The usual 128 are gone in a moment when
/// many senders connect at once, and whoever finds no place tries again only a second later.
const BACKLOG: u32 = 4096;
/// Where to listen: the first of these that can be had.
pub async fn addresses(config: &Config) -> anyhow::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((config.host.as_str(), config.port)).await;
    let found = found.map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    ensure!(
        !found.is_empty(),
        BadSetting("HOST must be an IP address of this machine, or a name that has one".into())
    );
    Ok(found)
}

/// Listens at the first of them that can be had.
pub fn listen(addresses: &[SocketAddr]) -> anyhow::Result<TcpListener> {
    let mut failed = None;
    for address in addresses {
        let error = match listen_at(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        failed = Some((address, error));
    }
    let (address, error) = failed.context("no address to listen on")?;
    Err(error).with_context(|| format!("HOST and PORT: cannot listen on {address}"))
}

fn listen_at(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As `TcpListener::bind` does: a restart need not wait for the last process's connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
