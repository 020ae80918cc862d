//! A transaction that is kept no more: what is known of it for ever.

use entity::{
    Status, failure,
    lifecycle::{self, Known},
};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    look::{times, words},
    table::{self, Output},
};

#[derive(Serialize)]
struct Document {
    /// `null`: it is kept no more.
    transaction: Option<()>,
    source: String,
    transaction_id: String,
    row: Uuid,
    status: &'static str,
    /// By the receiver's clock.
    #[serde(with = "time::serde::rfc3339::option")]
    received_at: Option<OffsetDateTime>,
    reason: Option<String>,
}

/// What is shown of it.
pub(super) async fn shown(
    db: &DatabaseConnection,
    known: Known,
    output: Output,
) -> anyhow::Result<String> {
    let failure = failure_of(db, &known).await?;
    let document = Document {
        transaction: None,
        received_at: received_at(known.id),
        source: known.source.into(),
        transaction_id: known.transaction_id.into(),
        row: known.id,
        status: words::status(known.status),
        reason: failure.map(|failure| {
            let verdict = words::verdict(failure.verdict);
            format!("{verdict}: {}", failure.reason)
        }),
    };
    match output {
        Output::Json => table::json(&document),
        Output::Table => Ok(lines(&document)),
    }
}

async fn failure_of(
    db: &DatabaseConnection,
    known: &Known,
) -> Result<Option<failure::Model>, DbErr> {
    match known.status {
        Status::Failed => lifecycle::failure(db, known.id).await,
        Status::Processing | Status::Processed => Ok(None),
    }
}

/// An id begins with its milliseconds since 1970.
fn received_at(id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let seconds = i128::from(seconds) * 1_000_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(seconds + i128::from(nanos)).ok()
}

fn lines(document: &Document) -> String {
    let lines = [
        ("transaction", Some(document.transaction_id.clone())),
        ("source", Some(document.source.clone())),
        ("row", Some(document.row.to_string())),
        ("status", Some(document.status.to_owned())),
        ("received", document.received_at.map(times::told)),
        ("reason", document.reason.clone()),
        ("content", Some("kept no more".into())),
    ];
    let lines = lines.into_iter();
    let lines = lines.filter_map(|(name, value)| Some((name, value?)));
    let lines = lines.map(|(name, value)| format!("{name:11}  {}", table::printable(&value)));
    lines.collect::<Vec<_>>().join("\n")
}
