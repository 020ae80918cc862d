//! How a transaction stands, for whoever says why nothing was done.

use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use super::super::{Status, sql};
use crate::statement::look_up;

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No row has this id.
    Unknown,
    /// It is known by its failure alone: its row has been deleted.
    Gone,
    /// There is a row.
    There {
        status: Status,
        /// Whether all is there that a call needs.
        has_content: bool,
        /// Whether it is in `outbox` or `retries`.
        has_entry: bool,
    },
}

/// `all is there that a call of the row in transactions needs`, as an SQL condition.
pub(super) const HAS_CONTENT: &str = "(transactions.source = 'transactions' \
     OR EXISTS (SELECT 1 FROM payloads WHERE payloads.id = transactions.id))";

pub(super) async fn standing(db: &DatabaseConnection, id: Uuid) -> Result<Standing, DbErr> {
    let select = format!(
        "SELECT status, {HAS_CONTENT} AS has_content, \
                (EXISTS (SELECT 1 FROM outbox WHERE id = $1) OR EXISTS (SELECT 1 FROM retries WHERE id = $1)) \
                  AS has_entry \
         FROM transactions WHERE transactions.id = $1"
    );
    let rows = look_up(db, || sql::statement(db, &select, [id.into()])).await?;
    if let Some(row) = rows.first() {
        return Ok(Standing::There {
            status: row.try_get_by("status")?,
            has_content: row.try_get_by("has_content")?,
            has_entry: row.try_get_by("has_entry")?,
        });
    }
    let failed = "SELECT 1 FROM failures WHERE id = $1";
    let failed = look_up(db, || sql::statement(db, failed, [id.into()])).await?;
    Ok(match failed.is_empty() {
        true => Standing::Unknown,
        false => Standing::Gone,
    })
}
