//! Ingress. Owns everything from the socket to the broker's confirm: HTTP, the group commit, and the
//! relay, which is the only publisher. Knows nothing of what a consumer does.
//!
//! In the order of one webhook's way: [`serve`](mod@serve) (the socket), [`shed`] (which webhooks are refused at once, as
//! [`admission`] estimates), [`edge`] and [`routes`](mod@routes), [`webhooks`] (the handler, and what the sender said) or [`door`] (those of all other
//! sources, as the [`gate`] judges them, with the ledger of [`refusals`]), [`writer`] (the group commit), [`relay`](mod@relay). [`file_watch`] is the group commit's look at SQLite's file. [`access`] says who may look
//! anything up or change it; [`mend`](mod@mend) is what operators change. [`wire`] and [`openapi`](mod@openapi) are what the document says of all that.

mod access;
mod admission;
pub mod alone;
mod attempts;
mod body;
mod cursor;
mod databases;
mod docs;
mod door;
mod drain;
mod edge;
pub mod events;
pub mod failures;
pub mod file_watch;
mod gate;
mod health;
mod json;
mod lane;
pub mod list;
mod look_up;
pub mod mend;
mod openapi;
mod operate;
mod partitions;
mod paths;
mod problem;
pub mod refusals;
pub mod relay;
mod routes;
#[cfg(test)]
mod scene;
mod serve;
mod shed;
mod slots;
mod source_transactions;
mod sources;
mod space;
mod transactions;
mod waiting;
mod webhooks;
mod wire;
mod writer;

use std::sync::Arc;

use queue::Queue;
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
pub use problem::FieldError;
use relay::HintSender;
pub use routes::openapi;
use routes::{Listeners, Ways};
use serve::Entrance;
pub use serve::Settings;
use shed::Shedder;
pub use slots::Slots;
pub use sources::{BUILT_IN, Sender, Sources};
use space::Space;
/// What is answered over HTTP, for whoever shows the same elsewhere.
pub use wire::{
    Attempt, AuditPage, BulkRetry, BulkRetryList, FailureGroup, FailureGroups, PauseList, Refusal,
    RefusalPage, SourceTransaction, TransactionPage,
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
    /// Who may look anything up, as it is now.
    pub tokens: watch::Receiver<Arc<Tokens>>,
}

/// Connections at once.
const CONNECTIONS_MAX: usize = 10_000;

/// Serves HTTP, and commits what is received, until `stop`.
///
/// On `stop` it accepts no more connections, answers what it has accepted, commits the last webhooks and returns; open
/// connections get at most their grace. Whoever wants balancers to know before runs the drain before that.
pub async fn run(settings: Settings, resources: Resources, stop: CancellationToken) {
    let Resources {
        listener,
        databases,
        queue,
        drain,
        hints,
        sources,
        tokens,
    } = resources;
    let (writer, inbox) = writer::channel();
    let (ledger, lines) = refusals::channel();
    let admission = Admission::new(databases.slots);
    let shedder = Shedder::new(admission.clone(), writer.clone(), sources.clone());
    let ways = Ways {
        writer,
        admission: admission.clone(),
        gate: Gate::new(sources.clone(), ledger),
        space: Space::default(),
    };
    let listeners = Listeners::new(stop.clone());
    let address = listener.local_addr().ok();
    if let Some(address) = address {
        tracing::info!(event = "listening", "listening on http://{address}");
    }
    let access = Access::new(tokens.clone(), address.map(|address| address.ip()));
    let needs = routes::needs(&databases, queue, drain.clone(), sources, tokens);
    let endpoint = routes::routes(&ways, &databases, needs, access, &listeners);
    drop(ways);
    let entrance = Entrance {
        listener,
        connections_max: CONNECTIONS_MAX,
        shedder: Some(shedder),
    };
    let Databases {
        write,
        read,
        slots,
        file,
    } = databases;
    // A stop goes from the front to the back: HTTP ends at `stop`, the writer when HTTP has dropped the last `Writer`, and
    // the relay when the writer has dropped the last `HintSender` and the last hints are published.
    tokio::join!(
        admission.beside(serve::run(
            entrance,
            settings,
            endpoint,
            drain,
            stop.clone()
        )),
        partitions::run(write.clone(), stop.clone()),
        operate::run(write.clone(), stop.clone()),
        waiting::run(read, listeners.waiting, stop.clone()),
        refusals::run(write.clone(), lines, stop),
        writer::run(write, inbox, hints, admission.clone(), slots, file),
    );
}
