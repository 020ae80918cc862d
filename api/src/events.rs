//! `GET /v1/events`: what happens, told as it happens (server-sent events). Who asks in another way than over HTTP uses a
//! [`Follower`], too.

mod cursor;
mod event;
mod follower;
mod stream;

use std::sync::Arc;

use poem::{Request, http::StatusCode};
use poem_openapi::{ApiResponse, OpenApi, param::Query};
use sea_orm::DatabaseConnection;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    access::MayRead,
    json::Json,
    look_up,
    problem::{FieldError, Problem},
    wire::Tag,
};
pub use cursor::Cursor;
pub(crate) use cursor::PATTERN as CURSOR_PATTERN;
pub use event::{Event, Kind};
pub use follower::{Follower, Look};
use stream::EventStream;

/// Streams at once: each asks the database a few times a second.
const STREAMS_MAX: usize = 20;
/// Seconds after which somebody for whom there was no room may try again.
const NO_ROOM_RETRY_SECS: u32 = 30;
/// Where a browser's `EventSource` says what it has got (the HTML standard, 9.2).
const LAST_EVENT_ID: &str = "last-event-id";

/// The room for streams, which end when the process stops. Its clones are the same.
#[derive(Clone)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Room {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            places: Arc::new(Semaphore::new(STREAMS_MAX)),
            stop,
        }
    }
}

pub(crate) struct Events {
    pub(crate) db: DatabaseConnection,
    pub(crate) room: Room,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The stream.
    #[oai(status = 200)]
    Stream(EventStream),
    /// The cursor is none, or the source's name cannot be one.
    #[oai(status = 422, content_type = "application/problem+json")]
    Unclear(Json<Problem>),
    /// Too many follow already, or the database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

#[OpenApi]
impl Events {
    /// Follow what happens
    ///
    /// A stream of server-sent events, which does not end by itself: `accepted`, `finished` and `failed` for transactions,
    /// and `operator` for what operators do. The data of each is one JSON object. Told about two seconds later, when all of
    /// that time has been committed, and at least once: after a break go on with the last `id` that was there, as `cursor` or in
    /// `Last-Event-ID`. A line that is no event comes every 5 seconds.
    #[oai(
        path = "/v1/events",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "followEvents"
    )]
    async fn follow(
        &self,
        _may: MayRead,
        request: &Request,
        /// Only what is about this source's transactions.
        #[oai(example = "look_up::example_source_query")]
        source: Query<Option<String>>,
        /// Where to go on: the last `id` of a stream before. Without it: from now on.
        #[oai(example = "example_cursor")]
        cursor: Query<Option<String>>,
    ) -> Answer {
        let last = request.header(LAST_EVENT_ID).map(str::to_owned);
        let (source, cursor) = match (
            look_up::source(source.0.as_deref()),
            read_cursor(cursor.0.or(last)),
        ) {
            (Ok(source), Ok(cursor)) => (source, cursor),
            (source, cursor) => {
                let errors = [source.err(), cursor.err()].into_iter().flatten();
                let detail = "the query does not say what to follow";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors.collect()).json());
            }
        };
        let Ok(place) = self.room.places.clone().try_acquire_owned() else {
            let detail = format!("{STREAMS_MAX} follow already, and there is room for no more");
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
            return Answer::Unavailable(problem.json(), NO_ROOM_RETRY_SECS);
        };
        let follower = match cursor {
            Some(cursor) => Ok(Follower::from(cursor)),
            None => look_up::in_time(Follower::from_now(&self.db)).await,
        };
        match follower {
            Ok(follower) => {
                let stop = self.room.stop.clone();
                let stream = stream::stream(
                    self.db.clone(),
                    follower,
                    source.map(String::from),
                    (place, stop),
                );
                Answer::Stream(stream)
            }
            Err(error) => {
                let (problem, retry_after) = look_up::unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

fn read_cursor(text: Option<String>) -> Result<Option<Cursor>, FieldError> {
    // An `EventSource` that has got nothing yet sends nothing, and one whose last id was empty sends that.
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let reason = "must be the last id of a stream, unchanged";
    let cursor = Cursor::decode(&text).ok_or_else(|| FieldError::new("cursor", reason))?;
    Ok(Some(cursor))
}

fn example_cursor() -> Option<String> {
    let id = uuid::Uuid::from_u128(0x0190_163d_8694_739b_aea5_966c_26f8_ad91);
    let cursor = Cursor {
        accepted: id,
        unfinished: id,
        failed: 1_705_314_600_000,
        acts: id,
    };
    Some(cursor.encode())
}

#[cfg(test)]
mod tests;
