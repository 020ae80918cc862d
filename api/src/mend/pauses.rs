//! Pauses of processing: of one source, or of everything. Receiving goes on as ever.

use entity::{
    SourceName,
    lifecycle::operate::{Reason, pause},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
};
use sea_orm::{DatabaseConnection, DbErr};
use time::OffsetDateTime;

use super::{
    answer::{Answer, Listed, cannot, unavailable, unknown},
    asked::{Ask, Asked, reason_of_query},
    filter::time,
    members::{Members, text, value},
    operators::{Operators, WITHIN, by},
};
use crate::{
    access::{MayChange, MayRead},
    json::Json,
    look_up,
    problem::{FieldError, Problem},
    wire::{Pause, PauseList, PauseRequest, Tag},
};

/// What can be paused.
pub(crate) struct Pauses {
    pub(crate) operators: Operators,
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Pausing {
    /// It is committed. No process begins anything of it from a second later on; calls under way come to their end.
    #[oai(status = 202)]
    Done(Json<PauseList>),
    /// `until` is over already. Nothing is changed.
    #[oai(status = 409, content_type = "application/problem+json")]
    Cannot(Json<Problem>),
    /// The database does not answer in time. Whether it is paused can be looked up; to ask again does no harm.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

#[OpenApi]
impl Pauses {
    /// Pause processing
    ///
    /// Of one source, or of everything (`*`): until it is resumed, or until a time. Webhooks are received and committed as ever.
    /// Answers with all that is paused then. What is paused already gets the new end.
    #[oai(
        path = "/v1/pauses",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "pauseProcessing"
    )]
    async fn pause(&self, may: MayChange, asked: Asked<PauseRequest>) -> Pausing {
        let Wish {
            paused,
            until,
            reason,
        } = asked.0;
        if until.is_some_and(|until| until <= OffsetDateTime::now_utc()) {
            return Pausing::Cannot(cannot("until must be in the future, and is over already"));
        }
        let by = by(&may, reason);
        let paused = self.operators.act(WITHIN, move |db| async move {
            pause::pause(&db, paused.source(), until, &by).await?;
            listed(&db).await
        });
        match paused.await {
            Ok(list) => Pausing::Done(Json(list)),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Pausing::Unavailable(problem, retry_after)
            }
        }
    }

    /// List what is paused
    ///
    /// Answers with the pauses that are in force now.
    #[oai(
        path = "/v1/pauses",
        method = "get",
        tag = "Tag::Mending",
        operation_id = "listPauses"
    )]
    async fn list(&self, _may: MayRead) -> Listed<Json<PauseList>> {
        match look_up::in_time(listed(&self.db)).await {
            Ok(list) => Listed::All(Json(list)),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Listed::Unavailable(problem, retry_after)
            }
        }
    }

    /// Resume processing
    ///
    /// Ends a pause; what has waited goes on within seconds. Answers with all that is still paused. A source that was paused by its
    /// name stays so when everything (`*`) is resumed.
    #[oai(
        path = "/v1/pauses/:paused",
        method = "delete",
        tag = "Tag::Mending",
        operation_id = "resumeProcessing"
    )]
    async fn resume(
        &self,
        may: MayChange,
        /// The source's name, or `*` for everything.
        #[oai(example = "example_paused")]
        paused: Path<String>,
        /// Why, for whoever asks later.
        #[oai(example = "example_reason")]
        reason: Query<Option<String>>,
    ) -> poem::Result<Answer<Json<PauseList>>> {
        let reason = reason_of_query(reason.0)?;
        let Ok(paused) = What::try_from(paused.0) else {
            return Ok(Answer::Unknown(unknown("no source can have this name")));
        };
        let by = by(&may, reason);
        let resumed = self.operators.act(WITHIN, move |db| async move {
            let was_paused = pause::resume(&db, paused.source(), &by).await?;
            Ok((was_paused, listed(&db).await?))
        });
        Ok(match resumed.await {
            Ok((true, list)) => Answer::Done(Json(list)),
            Ok((false, _)) => Answer::Cannot(cannot("it is not paused")),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        })
    }
}

async fn listed(db: &DatabaseConnection) -> Result<PauseList, DbErr> {
    let data = pause::list(db).await?.into_iter().map(Pause::from);
    Ok(PauseList {
        data: data.collect(),
    })
}

/// What a pause is of.
enum What {
    Everything,
    Source(SourceName),
}

impl What {
    fn source(&self) -> Option<&SourceName> {
        match self {
            Self::Everything => None,
            Self::Source(source) => Some(source),
        }
    }
}

impl TryFrom<String> for What {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == pause::ALL {
            return Ok(Self::Everything);
        }
        let source = SourceName::try_from(text);
        let source = source.map_err(|error| format!("{error}, or * for everything"))?;
        Ok(Self::Source(source))
    }
}

/// What a body asks for.
pub(super) struct Wish {
    paused: What,
    until: Option<OffsetDateTime>,
    reason: Reason,
}

impl Ask for PauseRequest {
    type Said = Wish;

    fn read(mut members: Members<'_>) -> Result<Wish, Vec<FieldError>> {
        let paused = members.required("source", text);
        let until = members.read("until", |raw| {
            let until: String = value("a string", raw)?;
            Ok(time(&until)?)
        });
        let reason = members.required("reason", text);
        let errors = members.end("", "source, until, reason");
        match (paused, reason) {
            (Some(paused), Some(reason)) if errors.is_empty() => Ok(Wish {
                paused,
                until,
                reason,
            }),
            _ => Err(errors),
        }
    }
}

fn example_paused() -> String {
    "stripe".into()
}

fn example_reason() -> Option<String> {
    Some("the service is back".into())
}
