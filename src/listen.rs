//! Where the process listens.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::net::{TcpListener, TcpSocket};

use crate::config::{BadSetting, Config};

/// Connections that the kernel keeps until they are accepted. The usual 128 are gone in a moment when
/// many senders connect at once, and whoever finds no place tries again only a second later.
const BACKLOG: u32 = 4096;

/// Where to listen: the first of these that can be had.
pub struct Addresses {
    /// What a sentence about them begins with.
    told: &'static str,
    found: Vec<SocketAddr>,
}

/// Where the API listens.
pub async fn api(config: &Config) -> anyhow::Result<Addresses> {
    let found = look_up(&config.host, config.port).await;
    ensure!(
        !found.is_empty(),
        BadSetting("HOST must be an IP address of this machine, or a name that has one".into())
    );
    let told = "HOST and PORT";
    Ok(Addresses { told, found })
}

/// Where operators are answered, if they have an address of their own.
pub async fn admin(config: &Config) -> anyhow::Result<Option<Addresses>> {
    let Some((host, port)) = &config.admin_addr else {
        return Ok(None);
    };
    let found = look_up(host, *port).await;
    ensure!(
        !found.is_empty(),
        BadSetting(
            "ADMIN_ADDR must begin with an IP address of this machine, or a name that has one"
                .into()
        )
    );
    let told = "ADMIN_ADDR";
    Ok(Some(Addresses { told, found }))
}

async fn look_up(host: &str, port: u16) -> Vec<SocketAddr> {
    let found = tokio::net::lookup_host((host, port)).await;
    found.map(Iterator::collect).unwrap_or_default()
}

/// Listens at the first of them that can be had.
pub fn listen(addresses: &Addresses) -> anyhow::Result<TcpListener> {
    let mut failed = None;
    for address in &addresses.found {
        let error = match listen_at(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        failed = Some((address, error));
    }
    let (address, error) = failed.context("no address to listen on")?;
    let told = addresses.told;
    Err(error).with_context(|| format!("{told}: cannot listen on {address}"))
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
