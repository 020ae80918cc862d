//! All failed transactions that match, retried at a rate: what is begun is a row, which is looked at, paused and ended by its id.

use entity::{
    bulk_retry::State,
    lifecycle::operate::{
        By, Reason,
        bulk::{self, Changed, Filter},
    },
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    answer::{Answer, Listed, Shown, cannot, unavailable, unknown},
    asked::{Ask, Asked, reason_of_query},
    filter::{RATE, Written, filter, rate},
    members::{Members, text, value},
    operators::{COUNTED_WITHIN, Operators, WITHIN, by},
};
use crate::{
    access::{MayChange, MayRead},
    json::Json,
    look_up,
    problem::{FieldError, Problem},
    wire::{BulkRetry, BulkRetryList, Counted, RetryAll, Tag, Why},
};

/// Bulk retries that a list tells.
const LISTED: u64 = 100;

/// What can be done to all that match.
pub(crate) struct Many {
    pub(crate) operators: Operators,
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Beginning {
    /// With `dry_run`: how many match. Nothing is changed.
    #[oai(status = 200)]
    Counted(Json<Counted>),
    /// It is committed, and begins within a second.
    #[oai(status = 202)]
    Begun(
        Json<BulkRetry>,
        /// Where can be looked at how far it is.
        #[oai(header = "Location")]
        String,
    ),
    /// The database does not answer in time. Whether it has begun can be looked up.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

#[OpenApi]
impl Many {
    /// Retry all that match
    ///
    /// Reopens all failed transactions that match a filter, so many a second, each once: what fails again is left alone. With
    /// `dry_run` it says how many match, and does nothing. It goes on when processes die or are restarted, for as long as an API
    /// runs, and can be paused and ended.
    #[oai(
        path = "/v1/retries",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "beginRetries"
    )]
    async fn begin(&self, may: MayChange, asked: Asked<RetryAll>) -> Beginning {
        let Wish { filter, how } = asked.0;
        let begun = match how {
            How::Count => {
                let counted = bulk::count(&self.db, &filter);
                let counted = tokio::time::timeout(COUNTED_WITHIN, counted).await;
                counted
                    .unwrap_or_else(|_| Err(DbErr::Custom("no answer in time".into())))
                    .map(|matched| Beginning::Counted(Json(Counted { matched })))
            }
            How::Begin { rate, reason } => {
                let by = by(&may, reason);
                let begun = self.operators.act(COUNTED_WITHIN, |db| async move {
                    let begun = bulk::create(&db, &filter, rate, &by).await?;
                    bulk::find(&db, begun.id).await
                });
                begun.await.and_then(begun_at)
            }
        };
        begun.unwrap_or_else(|error| {
            let (problem, retry_after) = unavailable(&error);
            Beginning::Unavailable(problem, retry_after)
        })
    }

    /// List what is or was retried together
    ///
    /// Answers with the newest 100 of them.
    #[oai(
        path = "/v1/retries",
        method = "get",
        tag = "Tag::Mending",
        operation_id = "listRetries"
    )]
    async fn list(&self, _may: MayRead) -> Listed<Json<BulkRetryList>> {
        let listed = async {
            let data = bulk::list(&self.db, LISTED).await?.into_iter();
            data.map(BulkRetry::begun).collect::<Result<_, _>>()
        };
        match look_up::in_time(listed).await {
            Ok(data) => Listed::All(Json(BulkRetryList { data })),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Listed::Unavailable(problem, retry_after)
            }
        }
    }

    /// See how far it is
    ///
    /// Answers with what is retried together, and with what has become of it by now.
    #[oai(
        path = "/v1/retries/:id",
        method = "get",
        tag = "Tag::Mending",
        operation_id = "getRetries"
    )]
    async fn find(
        &self,
        _may: MayRead,
        /// The `id` that it began with.
        #[oai(example = "example_bulk")]
        id: Path<String>,
    ) -> Shown<Json<BulkRetry>> {
        let found = async {
            let found = match id.0.parse() {
                Ok(id) => bulk::find(&self.db, id).await?,
                Err(_) => None,
            };
            found.map(BulkRetry::with_progress).transpose()
        };
        match look_up::in_time(found).await {
            Ok(Some(found)) => Shown::Found(Json(found)),
            Ok(None) => Shown::Unknown(unknown(NO_BULK)),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Shown::Unavailable(problem, retry_after)
            }
        }
    }

    /// End it
    ///
    /// Reopens nothing more. What has been reopened goes on.
    #[oai(
        path = "/v1/retries/:id",
        method = "delete",
        tag = "Tag::Mending",
        operation_id = "cancelRetries"
    )]
    async fn cancel(
        &self,
        may: MayChange,
        /// The `id` that it began with.
        #[oai(example = "example_bulk")]
        id: Path<String>,
        /// Why, for whoever asks later.
        #[oai(example = "example_reason")]
        reason: Query<Option<String>>,
    ) -> poem::Result<Answer<Json<BulkRetry>>> {
        let reason = reason_of_query(reason.0)?;
        Ok(self.change(Change::Cancel, &may, &id.0, reason).await)
    }

    /// Pause it
    ///
    /// Reopens nothing until it is resumed.
    #[oai(
        path = "/v1/retries/:id/pause",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "pauseRetries"
    )]
    async fn pause(
        &self,
        may: MayChange,
        /// The `id` that it began with.
        #[oai(example = "example_bulk")]
        id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<BulkRetry>> {
        self.change(Change::Pause, &may, &id.0, why.0).await
    }

    /// Resume it
    ///
    /// Goes on where it was paused.
    #[oai(
        path = "/v1/retries/:id/resume",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "resumeRetries"
    )]
    async fn resume(
        &self,
        may: MayChange,
        /// The `id` that it began with.
        #[oai(example = "example_bulk")]
        id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<BulkRetry>> {
        self.change(Change::Resume, &may, &id.0, why.0).await
    }
}

const NO_BULK: &str = "no retry of many has this id";

/// What becomes of what is retried together.
#[derive(Clone, Copy)]
enum Change {
    Pause,
    Resume,
    Cancel,
}

impl Many {
    async fn change(
        &self,
        change: Change,
        may: &MayChange,
        id: &str,
        reason: Reason,
    ) -> Answer<Json<BulkRetry>> {
        let Ok(id) = id.parse() else {
            return Answer::Unknown(unknown(NO_BULK));
        };
        let by = by(may, reason);
        let changed = self.operators.act(WITHIN, |db| async move {
            let changed = apply(&db, change, id, &by).await?;
            Ok((changed, bulk::find(&db, id).await?))
        });
        let shown = changed.await.and_then(|(changed, found)| {
            let shown = found.map(BulkRetry::with_progress).transpose()?;
            Ok((changed, shown))
        });
        match shown {
            Ok((Changed::Changed, Some(shown))) => Answer::Done(Json(shown)),
            Ok((Changed::Not(state), _)) => Answer::Cannot(cannot(why_not(change, state))),
            Ok((Changed::Unknown, _) | (_, None)) => Answer::Unknown(unknown(NO_BULK)),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

async fn apply(
    db: &DatabaseConnection,
    change: Change,
    id: Uuid,
    by: &By,
) -> Result<Changed, DbErr> {
    match change {
        Change::Pause => bulk::pause(db, id, by).await,
        Change::Resume => bulk::resume(db, id, by).await,
        Change::Cancel => bulk::cancel(db, id, by).await,
    }
}

fn why_not(change: Change, state: State) -> &'static str {
    match (change, state) {
        (_, State::Done) => "it is done",
        (_, State::Cancelled) => "it has been ended",
        (Change::Resume, State::Running | State::Paused) => "it is not paused",
        (Change::Pause | Change::Cancel, State::Running | State::Paused) => "it is paused already",
    }
}

fn begun_at(begun: Option<bulk::Progress>) -> Result<Beginning, DbErr> {
    let gone = || DbErr::RecordNotFound("what has just begun".into());
    let begun = begun.ok_or_else(gone)?;
    let location = format!("/v1/retries/{}", begun.bulk.id);
    Ok(Beginning::Begun(
        Json(BulkRetry::with_progress(begun)?),
        location,
    ))
}

/// What a body asks for.
pub(super) struct Wish {
    filter: Filter,
    how: How,
}

enum How {
    Count,
    Begin { rate: u32, reason: Reason },
}

impl Ask for RetryAll {
    type Said = Wish;

    fn read(mut members: Members<'_>) -> Result<Wish, Vec<FieldError>> {
        let mut faults = Vec::new();
        let filter = members.required("filter", |raw| {
            Ok(read_filter(raw).unwrap_or_else(|errors| {
                faults = errors;
                None
            }))
        });
        members.errors.append(&mut faults);
        let whole = |raw| rate(value("a whole number", raw)?);
        let rate = members.read("rate", whole).unwrap_or(RATE);
        let dry_run = members.read("dry_run", |raw| value("true or false", raw));
        let how = match dry_run {
            Some(true) => {
                // Whoever only looks need not say why, but may.
                let _: Option<Reason> = members.read("reason", text);
                Some(How::Count)
            }
            _ => {
                let reason = members.required("reason", text);
                reason.map(|reason| How::Begin { rate, reason })
            }
        };
        let errors = members.end("", "filter, rate, dry_run, reason");
        match (filter.flatten(), how) {
            (Some(filter), Some(how)) if errors.is_empty() => Ok(Wish { filter, how }),
            _ => Err(errors),
        }
    }
}

/// The names of a filter's members, and of their places.
const PLACES: [(&str, &str); 6] = [
    ("status", "filter.status"),
    ("source", "filter.source"),
    ("verdict", "filter.verdict"),
    ("error", "filter.error"),
    ("from", "filter.from"),
    ("to", "filter.to"),
];

fn read_filter(raw: &RawValue) -> Result<Option<Filter>, Vec<FieldError>> {
    let mut members =
        Members::inside(raw, "filter.").map_err(|why| vec![FieldError::new("filter", why)])?;
    let mut texts = PLACES.map(|(_, place)| members.read(place, |raw| value("a string", raw)));
    let mut errors = members.end("filter", "status, source, verdict, error, from, to");
    let mut next = texts.iter_mut().map(Option::take);
    let mut text = || next.next().flatten();
    let read = filter(Written {
        status: text(),
        source: text(),
        verdict: text(),
        error: text(),
        from: text(),
        to: text(),
    });
    match read {
        Ok(filter) if errors.is_empty() => Ok(Some(filter)),
        read => {
            for FieldError { field, reason } in read.err().unwrap_or_default() {
                let place = PLACES.iter().find(|(name, _)| *name == field);
                let place = place.map_or("filter", |(_, place)| place);
                if errors.iter().all(|error| error.field != place) {
                    errors.push(FieldError::new(place, reason));
                }
            }
            Err(errors)
        }
    }
}

pub(crate) fn example_bulk() -> String {
    "018d0cba-e040-7000-8000-000000000000".into()
}

pub(super) fn example_reason() -> Option<String> {
    Some("the service is back".into())
}
