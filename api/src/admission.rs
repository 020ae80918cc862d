//! Who is turned away at the door. When as many webhooks wait as may, or the threads are behind with their tasks, another
//! one is told to come back before its body is read: saying no must cost little just then, or those who were let in wait
//! for it.

use std::sync::Arc;

use poem::{Endpoint, IntoResponse, Request, Response};
use tokio::runtime::Handle;

use crate::{
    webhooks,
    writer::{NotCommitted, Writer},
};

/// Tasks per thread of the runtime that may wait for any thread to be free. Each thread has a queue of 256 of its own
/// besides; what waits here has found that full. With more, requests come faster than they can be answered, and wait
/// for a thread before the writer can count them.
const TASKS_WAITING_MAX: usize = 128;

/// Answers 503 to a webhook while the writer is full or the threads are behind; everything else goes on to `endpoint`.
pub(crate) async fn admit<E: Endpoint>(
    writer: Writer,
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    if request.uri().path() == webhooks::PATH && (writer.is_full() || threads_are_behind()) {
        return Ok(webhooks::Answer::from(NotCommitted::InTime).into_response());
    }
    Ok(endpoint.call(request).await?.into_response())
}

fn threads_are_behind() -> bool {
    let runtime = Handle::current().metrics();
    runtime.global_queue_depth() > TASKS_WAITING_MAX * runtime.num_workers()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use futures::future::join_all;
    use poem::{
        Request,
        endpoint::make_sync,
        http::{StatusCode, Uri},
    };

    use super::{TASKS_WAITING_MAX, admit};
    use crate::{webhooks, writer};

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn webhooks_are_turned_away_while_the_threads_are_behind() {
        let (writer, _inbox) = writer::channel();
        let ask = async |path| {
            let request = Request::builder().uri(Uri::from_static(path)).finish();
            let endpoint = Arc::new(make_sync(|_| "let in"));
            admit(writer.clone(), endpoint, request)
                .await
                .unwrap()
                .status()
        };
        assert_eq!(ask(webhooks::PATH).await, StatusCode::OK);

        // This test has a thread of its own, so what it spawns waits for the only worker, which is kept busy.
        let (release, released) = mpsc::channel::<()>();
        let (busy, is_busy) = mpsc::channel();
        let worker = tokio::spawn(async move {
            busy.send(()).unwrap();
            let _ = released.recv();
        });
        is_busy.recv().unwrap();
        let waiting: Vec<_> = (0..=TASKS_WAITING_MAX)
            .map(|_| tokio::spawn(async {}))
            .collect();
        assert_eq!(ask(webhooks::PATH).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/healthz").await, StatusCode::OK);

        drop(release);
        worker.await.unwrap();
        join_all(waiting).await;
        assert_eq!(ask(webhooks::PATH).await, StatusCode::OK);
    }
}
