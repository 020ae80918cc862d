//! An address for operators alone (`ADMIN_ADDR`), which every process can have, whatever its role: whether it is alive, and
//! whether it is ready.

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    health::Needs,
    routes,
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
}

/// Answers until `stop`; open connections then get at most their grace.
pub async fn run(settings: Settings, resources: Resources, stop: CancellationToken) {
    let Resources { listener, needs } = resources;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(
            event = "admin_address",
            "operators are answered at http://{address}"
        );
    }
    let entrance = Entrance {
        listener,
        connections_max: CONNECTIONS_MAX,
        shedder: None,
    };
    let drain = needs.drain.clone();
    let endpoint = routes::health(needs);
    serve::run(entrance, settings, endpoint, drain, stop).await;
}
