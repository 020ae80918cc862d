//! An address for operators alone (`ADMIN_ADDR`), which every process can have, whatever its role: whether it is alive,
//! whether it is ready, and its figures.

use meter::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    access::Access,
    health::Needs,
    routes,
    scrape::Scrape,
    serve::{self, Entrance},
};

/// Connections at once: of a few who watch over the process.
const CONNECTIONS_MAX: usize = 100;

/// What it works with.
pub struct Resources {
    /// Where connections come in.
    pub listener: TcpListener,
    /// Whether the process is ready.
    pub needs: Needs,
    /// Where figures are written.
    pub registry: Registry,
}

/// Answers until `stop`; open connections then get at most their grace.
pub async fn run(settings: Settings, resources: Resources, stop: CancellationToken) {
    let Resources {
        listener,
        needs,
        registry,
    } = resources;
    let address = listener.local_addr().ok();
    if let Some(address) = address {
        tracing::info!(
            event = "admin_address",
            "operators are answered at http://{address}"
        );
    }
    let entrance = Entrance {
        listener,
        connections_max: CONNECTIONS_MAX,
        shedder: None,
        requests: None,
    };
    let drain = needs.drain.clone();
    let access = Access::new(needs.tokens.clone(), address.map(|address| address.ip()));
    let endpoint = routes::alone(needs, Scrape { registry, access });
    serve::run(entrance, settings, endpoint, drain, stop).await;
}
