//! Ingress. Owns everything from the socket to the broker's confirm: HTTP, the group commit, and the
//! relay, which is the only publisher. Knows nothing of what a consumer does.
//!
//! In the order of one webhook's way: [`serve`](mod@serve) (the socket), [`shed`] (which webhooks are refused at once, as
//! [`admission`] estimates), [`edge`] and [`routes`](mod@routes), [`webhooks`] (the handler, and what the sender said) or [`door`] (those of all other
//! sources, as the [`gate`] judges them, with the ledger of [`refusals`]), [`writer`] (the group commit), [`relay`](mod@relay). [`arrival`] is what is traced of it. [`file_watch`] is the group commit's look at SQLite's file. [`access`] says who may look
//! anything up or change it; [`mend`](mod@mend) is what operators change. [`wire`] and [`openapi`](mod@openapi) are what the document says of all that.

mod access;
mod admission;
pub mod alone;
mod arrival;
mod attempts;
mod body;
mod conflicts;
mod cursor;
mod databases;
mod docs;
mod door;
mod drain;
mod edge;
pub mod events;
pub mod export;
pub mod failures;
pub mod file_watch;
mod gate;
mod health;
mod heard;
mod json;
mod lane;
pub mod list;
mod look_up;
pub mod mend;
mod metrics;
mod openapi;
mod operate;
mod partitions;
mod paths;
mod problem;
pub mod refusals;
pub mod relay;
mod repeats;
pub mod retention;
mod routes;
#[cfg(test)]
mod scene;
mod scrape;
mod serve;
mod shed;
mod slots;
mod source_transactions;
mod sources;
mod space;
pub mod summary;
mod transactions;
mod waiting;
mod webhooks;
mod wire;
mod writer;

use std::{net::IpAddr, sync::Arc};

use entity::lifecycle::retention::Limits;
use poem::{Endpoint, Response};
use queue::Queue;
use sea_orm::DatabaseConnection;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use access::Access;
pub use access::{Token, Tokens};
use admission::Admission;
pub use databases::Databases;
pub use drain::Drain;
pub use file_watch::FileWatch;
use gate::Gate;
pub use health::Needs;
use meter::Registry;
use metrics::{Commits, Metrics, Requests};
pub use problem::FieldError;
use relay::{HintSender, Nudge};
use repeats::Repeats;
pub use routes::openapi;
use routes::{Listeners, Ways};
use scrape::Scrape;
use serve::Entrance;
pub use serve::Settings;
use shed::Shedder;
pub use slots::Slots;
pub use sources::{BUILT_IN, Sender, Sources};
use space::Space;
use trace::Tracer;
/// What is answered over HTTP, for whoever shows the same elsewhere.
pub use wire::{
    Attempt, AuditPage, BulkRetry, BulkRetryList, FailureGroup, FailureGroups, PauseList, Refusal,
    RefusalPage, SourceTransaction, Summary, TransactionPage,
};

/// What the HTTP side works with.
pub struct Resources {
    /// Where connections come in.
    pub listener: TcpListener,
    pub databases: Databases,
    /// Whose state `/readyz` tells.
    pub queue: Queue,
    /// Whether balancers are told to send no more.
    pub drain: Drain,
    /// Where the relay is told what has just been committed.
    pub hints: HintSender,
    /// Who may send, as it is now.
    pub sources: watch::Receiver<Arc<Sources>>,
    /// Where figures are written.
    pub registry: Registry,
    /// Who may look anything up, as it is now.
    pub tokens: watch::Receiver<Arc<Tokens>>,
    /// For how long things are kept.
    pub limits: Limits,
    /// Where arrivals are traced.
    pub tracer: Tracer,
}

/// Connections at once.
const CONNECTIONS_MAX: usize = 10_000;

/// Serves HTTP, and commits what is received, until `stop`.
///
/// On `stop` it accepts no more connections, answers what it has accepted, commits the last webhooks and returns; open
/// connections get at most their grace. Whoever wants balancers to know before runs the drain before that.
pub async fn run(settings: Settings, resources: Resources, stop: CancellationToken) {
    let Resources {
        sources, tokens, ..
    } = &resources;
    let (writer, inbox) = writer::channel();
    let (ledger, lines) = refusals::channel();
    let admission = Admission::new(resources.databases.slots);
    let shedder = Shedder::new(admission.clone(), writer.clone(), sources.clone());
    let ways = Ways {
        writer,
        admission: admission.clone(),
        gate: Gate::new(sources.clone(), ledger),
        space: Space::default(),
        tracer: resources.tracer.clone(),
    };
    let listeners = Listeners::new(stop.clone());
    let access = Access::new(tokens.clone(), told_address(&resources.listener));
    let (endpoint, requests) = answers(&ways, &resources, access, &listeners);
    drop(ways);
    let repeats = Repeats::default();
    let commits = Arc::new(Commits::default());
    resources.registry.add(Arc::new(Metrics {
        sources: sources.clone(),
        requests: requests.clone(),
        commits: commits.clone(),
        admission: admission.clone(),
        queued: inbox.queued(),
    }));
    let entrance = Entrance {
        listener: resources.listener,
        connections_max: CONNECTIONS_MAX,
        shedder: Some(shedder),
        requests: Some(requests),
    };
    let (drain, kept) = (resources.drain, (resources.sources, resources.limits));
    let Databases {
        write,
        read,
        slots,
        file,
    } = resources.databases;
    let nudge = resources.hints.nudge();
    let commit = writer::Resources {
        db: write.clone(),
        hints: resources.hints,
        repeats: repeats.clone(),
        commits,
        file,
    };
    // A stop goes from the front to the back: HTTP ends at `stop`, the writer when HTTP has dropped the last `Writer`, and
    // the relay when the writer has dropped the last `HintSender` and the last hints are published.
    let http = serve::run(entrance, settings, endpoint, drain, stop.clone());
    tokio::join!(
        admission.beside(http),
        look_after(write.clone(), kept, (repeats, nudge), stop.clone()),
        waiting::run(read, listeners.waiting, stop.clone()),
        refusals::run(write, lines, stop),
        writer::run(commit, inbox, admission.clone(), slots),
    );
}

/// What answers requests, and where they are counted.
fn answers(
    ways: &Ways,
    resources: &Resources,
    access: Access,
    listeners: &Listeners,
) -> (impl Endpoint<Output = Response> + use<>, Arc<Requests>) {
    let Resources {
        databases,
        queue,
        drain,
        sources,
        tokens,
        registry,
        ..
    } = resources;
    let needs = routes::needs(
        databases,
        queue.clone(),
        drain.clone(),
        sources.clone(),
        tokens.clone(),
    );
    let scrape = Scrape {
        registry: registry.clone(),
        access: access.clone(),
    };
    let (endpoint, paths) = routes::routes(ways, databases, needs, (access, scrape), listeners);
    (endpoint, Arc::new(Requests::new(paths)))
}

/// Tells where it listens.
fn told_address(listener: &TcpListener) -> Option<IpAddr> {
    let address = listener.local_addr().ok()?;
    tracing::info!(event = "listening", "listening on http://{address}");
    Some(address.ip())
}

/// What is done in the database beside receiving, until `stop`: no webhook waits for it.
async fn look_after(
    db: DatabaseConnection,
    (sources, limits): (watch::Receiver<Arc<Sources>>, Limits),
    (repeats, nudge): (Repeats, Nudge),
    stop: CancellationToken,
) {
    tokio::join!(
        partitions::run(db.clone(), stop.clone()),
        heard::run(db.clone(), sources, stop.clone()),
        operate::run(db.clone(), nudge, stop.clone()),
        retention::run(db.clone(), limits, stop.clone()),
        repeats::run(db, repeats, stop),
    );
}
