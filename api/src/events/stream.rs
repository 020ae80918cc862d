//! Events on the wire: server-sent events, as the HTML standard (9.2) has them.

use std::{fmt::Write as _, io, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchema, MetaSchemaRef},
};
use sea_orm::DatabaseConnection;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Follower, Look};
use crate::look_up::in_time;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so long without an event a line says that the stream is still there: balancers cut what is silent for a minute, and
/// who has left without a word is noticed only so, and has one of the few places until then.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// An answer that goes on.
pub(crate) struct EventStream(Body);

impl Payload for EventStream {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")))
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type(Self::CONTENT_TYPE)
            // Nginx would gather what it gets.
            .header("x-accel-buffering", "no")
            .body(self.0)
    }
}

/// Where a stream is.
struct State {
    db: DatabaseConnection,
    follower: Follower,
    source: Option<String>,
    _place: OwnedSemaphorePermit,
    stop: CancellationToken,
    /// Whether there is more right now.
    more: bool,
    spoke: Instant,
}

pub(super) fn stream(
    db: DatabaseConnection,
    follower: Follower,
    source: Option<String>,
    (place, stop): (OwnedSemaphorePermit, CancellationToken),
) -> EventStream {
    let state = State {
        db,
        follower,
        source,
        _place: place,
        stop,
        more: true,
        spoke: Instant::now(),
    };
    // Said at once, so that whoever follows knows that they are heard, and where they begin.
    let first = id(&state.follower);
    let first = stream::once(async move { Ok(Bytes::from(first)) });
    EventStream(Body::from_bytes_stream(first.chain(state.texts())))
}

impl State {
    /// Texts of events, until the process stops.
    fn texts(self) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
        stream::unfold(self, async |mut state| {
            let stop = state.stop.clone();
            let text = stop.run_until_cancelled(state.next()).await?;
            Some((Ok(Bytes::from(text)), state))
        })
    }

    async fn next(&mut self) -> String {
        loop {
            if !std::mem::take(&mut self.more) {
                sleep(LOOK_EVERY).await;
            }
            let before = self.follower.clone();
            let text = match in_time(self.follower.look(&self.db)).await {
                Ok(look) => {
                    self.more = look.more;
                    text(&look, self.source.as_deref(), &self.follower)
                }
                Err(error) => {
                    // What it has seen and not told is looked for again.
                    self.follower = before;
                    tracing::warn!(event = "events_look_failed", %error, "could not look for events; trying on");
                    String::new()
                }
            };
            if !text.is_empty() {
                self.spoke = Instant::now();
                return text;
            }
            if self.spoke.elapsed() >= SILENT_MAX {
                self.spoke = Instant::now();
                return ":\n\n".into();
            }
        }
    }
}

/// The events of a look, and behind them where to go on.
fn text(look: &Look, source: Option<&str>, follower: &Follower) -> String {
    let mut text = String::new();
    let told = look.events.iter();
    for event in told.filter(|event| source.is_none() || event.source.as_deref() == source) {
        // Events are texts and numbers, which always can be written.
        let data = serde_json::to_string(event).unwrap_or_default();
        let _ = write!(text, "event: {}\ndata: {data}\n\n", event.event.as_str());
    }
    if look.passed_over > 0 {
        let count = look.passed_over;
        let _ = write!(text, "event: passed_over\ndata: {{\"count\":{count}}}\n\n");
    }
    if !text.is_empty() {
        text += &id(follower);
    }
    text
}

/// An event without data is none; its id counts all the same.
fn id(follower: &Follower) -> String {
    format!("id: {}\n\n", follower.cursor().encode())
}
