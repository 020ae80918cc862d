//! The audit: a line for each act of an operator, written by the statement that does it.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Value,
};
use uuid::Uuid;

use super::{
    super::{Range, read::all},
    By,
};
use crate::audit::{self, Column, Entity};

/// What an act is called.
pub mod act {
    pub const RETRY: &str = "retry";
    pub const REPLAY: &str = "replay";
    pub const GIVE_UP: &str = "give_up";
    pub const BULK_RETRY: &str = "bulk_retry";
    pub const BULK_PAUSE: &str = "bulk_pause";
    pub const BULK_RESUME: &str = "bulk_resume";
    pub const BULK_CANCEL: &str = "bulk_cancel";
    pub const PAUSE: &str = "pause";
    pub const RESUME: &str = "resume";
    pub const ERASE: &str = "erase";
    pub const RETENTION: &str = "retention";
}

/// Some lines, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub lines: Vec<audit::Model>,
    /// Below this id there may be more: the `to` of the next page. `None` if all have been read.
    pub next: Option<Uuid>,
}

/// The newest lines of `range`, at most `limit`.
pub async fn page(db: &DatabaseConnection, range: Range, limit: usize) -> Result<Page, DbErr> {
    let select = Entity::find()
        .filter(Column::Id.gte(range.from))
        .filter(Column::Id.lt(range.to))
        .order_by_desc(Column::Id)
        .limit(limit as u64 + 1);
    let mut lines = all(db, &select).await?;
    let next = (lines.len() > limit).then(|| {
        lines.truncate(limit);
        lines.last().map(|line| line.id)
    });
    Ok(Page {
        lines,
        next: next.flatten(),
    })
}

/// Of the statement that does something: after it follows what is selected, from the act's [`line`] (three parameters)
/// on: `$1, 'act', $2, $3, source, transaction_id, subject, count, detail`.
pub(in crate::lifecycle) const INSERT: &str =
    "INSERT INTO audit (id, act, who, reason, source, transaction_id, subject, count, detail)";

/// The parameters of a line: its id, who, and why.
pub(in crate::lifecycle) fn line(id: Uuid, by: &By) -> [Value; 3] {
    [id.into(), by.who.as_ref().into(), by.reason.as_ref().into()]
}
