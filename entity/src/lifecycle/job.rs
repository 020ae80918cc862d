//! What there is to do for what has been taken, where the work needs to know what it is.

use sea_orm::{DatabaseConnection, DbErr, QueryResult};
use uuid::Uuid;

use super::{Webhook, query, sql};
use crate::{Content, Event, Fields, Payload, Payment, SourceName};

/// Bytes of an event's body that [`jobs`] reads. Many jobs are in hand at once, and a longer body is needed only while its
/// call is made.
pub const BODY_BYTES_READ: usize = 64 * 1024;
/// Bytes of a body that one statement reads: no body is too long for a statement's limit of time.
const PIECE_BYTES: usize = 1024 * 1024;

/// One transaction to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The transaction's row id.
    pub id: Uuid,
    /// What the sender said.
    pub webhook: Webhook,
    /// Bytes of the event's body, if they are more than [`BODY_BYTES_READ`]; otherwise 0. Then they are not in `webhook`:
    /// [`body`] reads them.
    pub body_left: usize,
    /// Which attempt this is, 1 for the first. An attempt whose end nobody has recorded (a consumer died
    /// with it) counts too.
    pub attempt: u32,
    /// How far along its schedule it is: the attempts that count as failures of its own.
    pub failures: u32,
    /// The attempts whose end is known and that count as nobody's failure.
    pub deferrals: u32,
    /// The transaction is `PROCESSED`, and an operator has asked for its call once more.
    pub replay: bool,
}

/// What is to be done for these transactions, as far as they are unfinished or to be replayed. An event whose bytes are gone is not in the
/// answer.
pub async fn jobs(db: &DatabaseConnection, ids: &[Uuid]) -> Result<Vec<Job>, DbErr> {
    let jobs = format!(
        "SELECT transactions.id, source, transaction_id, type, source_account, destination_account, \
                CAST(amount AS text) AS amount, currency, extra, content_type, headers, sent_at, \
                length(body) AS body_bytes, CASE WHEN length(body) <= {BODY_BYTES_READ} THEN body END AS body, \
                attempts + crashes + 1 AS attempt, failures, attempts - failures - earlier AS deferrals, replay \
         FROM outbox JOIN transactions ON transactions.id = outbox.id \
         LEFT JOIN payloads ON payloads.id = outbox.id WHERE {}",
        sql::is_one_of_the_ids(db, "outbox.id")
    );
    let values = [sql::ids(db, ids)];
    let rows = query(db, sql::statement(db, jobs, values)).await?;
    rows.iter()
        .filter_map(|row| match webhook(row) {
            Ok(webhook) => webhook.map(|webhook| job(row, webhook)),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// An event's body, which has so many bytes; `None` if it is gone. It never changes, so it can be read piece by piece.
pub async fn body(
    db: &DatabaseConnection,
    id: Uuid,
    bytes: usize,
) -> Result<Option<Vec<u8>>, DbErr> {
    let piece = format!("SELECT substr(body, $2, {PIECE_BYTES}) FROM payloads WHERE id = $1");
    let mut body = Vec::with_capacity(bytes);
    while body.len() < bytes {
        let from = i32::try_from(body.len() + 1).unwrap_or(i32::MAX);
        let values = [id.into(), from.into()];
        let rows = query(db, sql::statement(db, piece.as_str(), values)).await?;
        let piece: Option<Vec<u8>> = match rows.first() {
            Some(row) => row.try_get_by_index(0)?,
            None => None,
        };
        match piece {
            Some(piece) if !piece.is_empty() => body.extend_from_slice(&piece),
            _ => return Ok(None),
        }
    }
    Ok(Some(body))
}

fn job(row: &QueryResult, webhook: Webhook) -> Result<Job, DbErr> {
    Ok(Job {
        id: row.try_get_by("id")?,
        body_left: body_bytes(row)?
            .filter(|bytes| *bytes > BODY_BYTES_READ)
            .unwrap_or(0),
        webhook,
        attempt: row.try_get_by::<i32, _>("attempt")?.unsigned_abs(),
        failures: row.try_get_by::<i32, _>("failures")?.unsigned_abs(),
        deferrals: row.try_get_by::<i32, _>("deferrals")?.max(0).unsigned_abs(),
        replay: row.try_get_by("replay")?,
    })
}

fn webhook(row: &QueryResult) -> Result<Option<Webhook>, DbErr> {
    let source: SourceName = row.try_get_by("source")?;
    let content = match source.is_built_in() {
        true => Some(Content::Payment(Payment {
            source_account: row.try_get_by("source_account")?,
            destination_account: row.try_get_by("destination_account")?,
            amount: row.try_get_by("amount")?,
            currency: row.try_get_by("currency")?,
            extra: row.try_get_by("extra")?,
        })),
        false => event(row)?.map(|event| Content::Event(Box::new(event))),
    };
    let transaction_id = row.try_get_by("transaction_id")?;
    Ok(content.map(|content| Webhook {
        source,
        transaction_id,
        content,
    }))
}

fn event(row: &QueryResult) -> Result<Option<Event>, DbErr> {
    if body_bytes(row)?.is_none() {
        return Ok(None);
    }
    let body: Option<Vec<u8>> = row.try_get_by("body")?;
    Ok(Some(Event {
        kind: row.try_get_by("type")?,
        fields: Fields {
            source_account: row.try_get_by("source_account")?,
            destination_account: row.try_get_by("destination_account")?,
            amount: row.try_get_by("amount")?,
            currency: row.try_get_by("currency")?,
        },
        payload: Payload {
            content_type: row.try_get_by("content_type")?,
            headers: row.try_get_by("headers")?,
            body: body.unwrap_or_default(),
            sent_at: row.try_get_by("sent_at")?,
        },
    }))
}

/// `None` if it is gone, or there never was one.
fn body_bytes(row: &QueryResult) -> Result<Option<usize>, DbErr> {
    let bytes: Option<i32> = row.try_get_by("body_bytes")?;
    Ok(bytes.map(|bytes| bytes.unsigned_abs() as usize))
}
