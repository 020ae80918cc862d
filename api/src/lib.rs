//! Ingress. Owns everything from the socket to the broker's confirm: HTTP, the group commit, and the
//! relay, which is the only publisher. Knows nothing of what a consumer does.
//!
//! In the order of one webhook's way: [`serve`](mod@serve) (the socket), [`door`] (who is turned away, as [`admission`]
//! estimates), [`edge`] and [`routes`](mod@routes), [`webhooks`] (the handler, and what the sender said), [`writer`] (the
//! group commit), [`relay`](mod@relay). [`file_watch`] is the group commit's look at SQLite's file. [`wire`] and
//! [`openapi`](mod@openapi) are what the document says of all that.

mod admission;
mod attempts;
mod databases;
mod docs;
mod door;
mod drain;
mod edge;
pub mod file_watch;
mod health;
mod json;
mod look_up;
mod openapi;
mod paths;
mod problem;
mod relay;
mod routes;
mod serve;
mod slots;
mod transactions;
mod webhooks;
mod wire;
mod writer;

use queue::Queue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use admission::Admission;
pub use databases::Databases;
use door::Door;
pub use drain::Drain;
pub use file_watch::FileWatch;
pub use routes::openapi;
pub use serve::Settings;
pub use slots::Slots;

/// Serves HTTP on `listener` and publishes what is committed, until `stop`.
///
/// On `stop` it accepts no more connections, answers what it has accepted, publishes what that has
/// committed, and returns; open connections get at most their grace. Whoever wants it to take its leave of balancers first
/// runs `drain` before that.
pub async fn run(
    listener: TcpListener,
    databases: Databases,
    queue: Queue,
    settings: Settings,
    drain: Drain,
    stop: CancellationToken,
) {
    let (writer, inbox) = writer::channel();
    let (committed_in, committed) = relay::channel();
    let admission = Admission::new(databases.slots);
    let door = Door::new(admission.clone(), writer.clone());
    let endpoint = routes::routes(writer, admission.clone(), &databases, &queue, drain.clone());
    let Databases {
        write, slots, file, ..
    } = databases;
    // Each part ends when the part before it has ended and dropped its end of the channel between.
    tokio::join!(
        admission.beside(serve::run(
            listener,
            settings,
            door,
            endpoint,
            drain,
            stop.clone(),
        )),
        writer::run(
            write.clone(),
            inbox,
            committed_in,
            admission.clone(),
            slots,
            file,
        ),
        relay::run(write, queue, committed, stop),
    );
}
