//! The export: one task, which nobody waits for.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Attribute, Span, Waiting, counts::Counts, wire};

/// What is not taken is tried again after these waits, if the collector may take it then.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// From one line in the log about what the collector does not take to the next, at least.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How long a stop waits for the last spans.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// How spans are gathered.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// How long a span waits for others, at most.
    pub delay: Duration,
    /// Spans that are exported together, at most.
    pub size: usize,
}

/// Why the collector has not taken a batch.
#[derive(Debug)]
pub struct NotTaken {
    /// In a few words, without secrets.
    pub why: String,
    /// Whether it may take the same another time.
    pub may_again: bool,
}

/// The export under way.
pub struct Exporting {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Exporting {
    /// Exports what still waits, as far as that takes no longer than a second.
    pub async fn end(mut self) {
        self.stop.cancel();
        if timeout(LAST_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Starts the export of what waits, by `post`, which hands a request to the collector. The process describes itself by
/// `resource`.
pub fn start<P, F>(
    waiting: Waiting,
    batches: Batches,
    resource: Vec<Attribute>,
    post: P,
) -> Exporting
where
    P: Fn(Vec<u8>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), NotTaken>> + Send + 'static,
{
    let stop = CancellationToken::new();
    let export = Export {
        spans: waiting.spans,
        counts: waiting.counts,
        batches,
        resource,
        post,
        told: None,
        stop: stop.clone(),
    };
    Exporting {
        task: tokio::spawn(export.run()),
        stop,
    }
}

struct Export<P> {
    spans: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
    batches: Batches,
    resource: Vec<Attribute>,
    post: P,
    /// When the log was last told of what is not taken.
    told: Option<Instant>,
    stop: CancellationToken,
}

impl<P, F> Export<P>
where
    P: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<(), NotTaken>>,
{
    async fn run(mut self) {
        let mut goes_on = true;
        while goes_on {
            let mut batch = Vec::new();
            goes_on = self.gather(&mut batch).await;
            if !batch.is_empty() {
                self.export(batch).await;
            }
        }
    }

    /// Waits for a batch. Returns whether there may be another one.
    async fn gather(&mut self, batch: &mut Vec<Span>) -> bool {
        let until = Instant::now() + self.batches.delay;
        while batch.len() < self.batches.size {
            let room = self.batches.size - batch.len();
            tokio::select! {
                biased;
                count = self.spans.recv_many(batch, room) => if count == 0 {
                    return false;
                },
                // What waits has been taken first.
                () = self.stop.cancelled() => return false,
                () = sleep_until(until) => return true,
            }
        }
        true
    }

    async fn export(&mut self, batch: Vec<Span>) {
        let spans = batch.len();
        let request = wire::request(&self.resource, batch);
        let mut waits = WAITS.iter();
        let why = loop {
            match (self.post)(request.clone()).await {
                Ok(()) => return self.counts.exported.add(spans as u64),
                Err(NotTaken { why, may_again }) => match waits.next() {
                    Some(wait) if may_again && !self.stop.is_cancelled() => tokio::select! {
                        () = sleep(*wait) => {}
                        () = self.stop.cancelled() => {}
                    },
                    _ => break why,
                },
            }
        };
        self.counts.failed.add(spans as u64);
        self.tell(spans, &why);
    }

    /// Tells the log, now and then.
    fn tell(&mut self, spans: usize, why: &str) {
        if self.told.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        tracing::warn!(
            event = "spans_not_exported",
            spans,
            dropped = self.counts.dropped.get(),
            why,
            "the collector does not take spans; they are lost, and nothing else is"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex, time::SystemTime};

    use meter::Registry;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message as _;
    use uuid::Uuid;

    use super::*;
    use crate::{Destination, Sampler, Settings, Tracer, channel};

    const BATCHES: Batches = Batches {
        delay: Duration::from_secs(5),
        size: 4,
    };

    /// How many spans each request had, and when it came.
    type Came = Arc<Mutex<Vec<(usize, Instant)>>>;

    struct Scene {
        tracer: Tracer,
        counts: Arc<Counts>,
        exporting: Exporting,
        came: Came,
    }

    /// Exports to a collector that answers so, by the number of the request.
    fn scene<F>(answer: impl Fn(usize) -> F + Send + Sync + 'static) -> Scene
    where
        F: Future<Output = Result<(), NotTaken>> + Send + 'static,
    {
        let settings = Settings {
            sampler: Sampler::parse("always_on", None).unwrap(),
            queue: Destination {
                name: "q".into(),
                attributes: Vec::new(),
            },
            room: 100,
        };
        let (tracer, waiting) = channel(settings, &Registry::default());
        let (counts, came) = (waiting.counts.clone(), Came::default());
        let seen = came.clone();
        let exporting = start(waiting, BATCHES, Vec::new(), move |request: Vec<u8>| {
            let read = ExportTraceServiceRequest::decode(&request[..]).unwrap();
            let spans = read.resource_spans[0].scope_spans[0].spans.len();
            let mut seen = seen.lock().unwrap();
            seen.push((spans, Instant::now()));
            answer(seen.len() - 1)
        });
        Scene {
            tracer,
            counts,
            exporting,
            came,
        }
    }

    impl Scene {
        fn record(&self, spans: usize) {
            for _ in 0..spans {
                let span = Span::arrival(Uuid::now_v7(), "POST", SystemTime::now());
                self.tracer.record(span);
            }
        }

        fn sizes(&self) -> Vec<usize> {
            self.came
                .lock()
                .unwrap()
                .iter()
                .map(|(spans, _)| *spans)
                .collect()
        }
    }

    fn away() -> Result<(), NotTaken> {
        Err(NotTaken {
            why: "away".into(),
            may_again: true,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_goes_at_once_and_a_small_one_when_it_has_waited() {
        let scene = scene(|_| async { Ok(()) });
        let began = Instant::now();
        scene.record(5);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(scene.sizes(), [4, 1]);
        let came = scene.came.lock().unwrap().clone();
        assert_eq!(came[0].1 - began, Duration::ZERO);
        assert_eq!(came[1].1 - began, BATCHES.delay);
        assert_eq!(scene.counts.exported.get(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_not_taken_is_tried_again_and_given_up() {
        let scene = scene(|_| async { away() });
        scene.record(4);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(scene.sizes(), [4, 4, 4]);
        assert_eq!(scene.counts.failed.get(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_refused_for_good_is_not_tried_again() {
        let refused = || NotTaken {
            why: "400".into(),
            may_again: false,
        };
        let scene = scene(move |number| async move {
            match number {
                0 => Err(refused()),
                _ => Ok(()),
            }
        });
        scene.record(8);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.sizes(), [4, 4]);
        assert_eq!(
            (scene.counts.failed.get(), scene.counts.exported.get()),
            (4, 4)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_exports_what_waits_at_once() {
        let scene = scene(|_| async { Ok(()) });
        scene.record(7);
        let began = Instant::now();
        scene.exporting.end().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(scene.counts.exported.get(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_waits_a_second_for_a_collector_that_hangs() {
        let scene = scene(|_| pending());
        scene.record(1);
        let began = Instant::now();
        scene.exporting.end().await;
        assert_eq!(began.elapsed(), LAST_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_does_not_wait_for_another_try() {
        let scene = scene(|_| async { away() });
        scene.record(4);
        sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        scene.exporting.end().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(scene.counts.failed.get(), 4);
    }
}
