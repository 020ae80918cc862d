//! `GET /v1/failures`: what fails, since when, for which source and why. Who asks in another way than over HTTP [`load`]s the
//! same.

mod groups;

use entity::{
    SourceName,
    lifecycle::{
        Range,
        failed::{Failed, PORTION, failed},
    },
};
use poem::http::StatusCode;
use poem_openapi::{ApiResponse, OpenApi, param::Query};
use sea_orm::{DatabaseConnection, DbErr};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access::MayRead,
    json::Json,
    list,
    look_up::{self, example_source_query},
    problem::{FieldError, Problem},
    wire::{FailureGroup, FailureGroups, Tag},
};
use groups::{Group, Groups};

/// Failures that one answer looks at: it is made while somebody waits.
const LOOKED_AT_MAX: usize = 5 * PORTION;

pub(crate) struct Failures {
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The groups.
    #[oai(status = 200)]
    Groups(Json<FailureGroups>),
    /// A parameter's value is not what it must be; `errors` names each.
    #[oai(status = 422, content_type = "application/problem+json")]
    Unclear(Json<Problem>),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

/// Which failures are gathered; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Failed then or later, by the database's clock.
    pub since: Option<OffsetDateTime>,
    pub source: Option<SourceName>,
}

#[OpenApi]
impl Failures {
    /// See what fails
    ///
    /// Answers with failed transactions by what they have in common: source, verdict, downstream's last status, and the reason
    /// with its numbers taken out. Of the 5,000 that were received last; `more` says whether there are others.
    #[oai(
        path = "/v1/failures",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listFailures"
    )]
    async fn list(
        &self,
        _may: MayRead,
        /// Failed at this time or later (RFC 3339), by the database's clock.
        #[oai(example = "example_since")]
        since: Query<Option<String>>,
        /// Only those of this source.
        #[oai(example = "example_source_query")]
        source: Query<Option<String>>,
    ) -> Answer {
        let wanted = match read(since.0, source.0) {
            Ok(wanted) => wanted,
            Err(errors) => {
                let detail = "the query does not say which failures";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors).json());
            }
        };
        match look_up::in_time(load(&self.db, &wanted, LOOKED_AT_MAX)).await {
            Ok(groups) => Answer::Groups(Json(groups)),
            Err(error) => {
                let (problem, retry_after) = look_up::unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

fn read(since: Option<String>, source: Option<String>) -> Result<Wanted, Vec<FieldError>> {
    let since = since.as_deref().map(list::time).transpose();
    let since = since.map_err(|reason| FieldError::new("since", reason));
    match (since, look_up::source(source.as_deref())) {
        (Ok(since), Ok(source)) => Ok(Wanted { since, source }),
        (since, source) => Err([since.err(), source.err()].into_iter().flatten().collect()),
    }
}

/// Gathers failures, of the `looked_at_max` that were received last.
pub async fn load(
    db: &DatabaseConnection,
    wanted: &Wanted,
    looked_at_max: usize,
) -> Result<FailureGroups, DbErr> {
    let mut groups = Groups::default();
    let mut range = Range {
        from: Uuid::nil(),
        to: Uuid::max(),
    };
    let mut more = true;
    for _ in 0..looked_at_max.div_ceil(PORTION) {
        let portion = failed(db, range).await?;
        let last = portion.last().map(|failed| failed.id);
        let is_full = portion.len() == PORTION;
        for failed in portion {
            let is_late = wanted.since.is_none_or(|since| failed.failed_at >= since);
            let is_its = wanted.source.is_none() || failed.source == wanted.source;
            if is_late && is_its {
                groups.add(failed);
            }
        }
        match last {
            Some(last) if is_full => range.to = last,
            _ => {
                more = false;
                break;
            }
        }
    }
    Ok(FailureGroups {
        data: told(groups),
        more,
    })
}

/// Groups failures that somebody else has read, the largest group first.
pub fn grouped(failed: impl IntoIterator<Item = Failed>) -> Vec<FailureGroup> {
    let mut groups = Groups::default();
    failed.into_iter().for_each(|failed| groups.add(failed));
    told(groups)
}

fn told(groups: Groups) -> Vec<FailureGroup> {
    let groups = groups.sorted().into_iter();
    groups.map(FailureGroup::from).collect()
}

impl From<Group> for FailureGroup {
    fn from(group: Group) -> Self {
        Self {
            source: group.kind.source,
            verdict: group.kind.verdict,
            status: group.kind.status,
            error: group.kind.error,
            count: group.count,
            first: group.first,
            last: group.last,
            sample: group.sample,
        }
    }
}

fn example_since() -> Option<String> {
    Some("2024-01-15T10:30:00Z".into())
}
