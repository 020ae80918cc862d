//! A transaction as JSON.

use api::{Attempt, SourceTransaction};
use entity::{conflict, lifecycle};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::known::Known;
use crate::look::amounts;

#[derive(Serialize)]
pub(super) struct Document {
    /// As over HTTP.
    transaction: SourceTransaction,
    /// Its row's id.
    row: Uuid,
    /// `null` if it is final.
    place: Option<Place>,
    attempts: Vec<Attempt>,
    conflicts: Vec<Conflict>,
}

#[derive(Serialize)]
struct Place {
    table: &'static str,
    /// `null` while it is parked: then it waits for no time.
    due_in_ms: Option<i64>,
    holder: Option<Uuid>,
    lease_left_ms: Option<i64>,
    attempts: i32,
    failures: i32,
    crashes: i32,
    /// Its source is paused.
    parked: bool,
    /// It is `PROCESSED`, and its call is repeated.
    replay: bool,
}

#[derive(Serialize)]
struct Conflict {
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    #[serde(rename = "type")]
    kind: Option<String>,
    source_account: Option<String>,
    destination_account: Option<String>,
    amount: Option<Box<RawValue>>,
    currency: Option<String>,
}

impl Document {
    /// With what was sent only if that is wanted.
    pub(super) fn of(known: Known, with_payload: bool) -> Self {
        let Known {
            mut row,
            payload,
            failure,
            attempts,
            place,
            conflicts,
            beside,
        } = known;
        if !with_payload {
            row.extra = None;
        }
        Self {
            row: row.id,
            transaction: SourceTransaction::new(row, payload.filter(|_| with_payload), failure)
                .with(&beside),
            place: place.map(Place::from),
            attempts: attempts.into_iter().map(Attempt::from).collect(),
            conflicts: conflicts.into_iter().map(Conflict::from).collect(),
        }
    }
}

impl From<lifecycle::place::Place> for Place {
    fn from(place: lifecycle::place::Place) -> Self {
        Self {
            table: match place.in_retries {
                true => "retries",
                false => "outbox",
            },
            due_in_ms: (!place.parked).then_some(place.due_in_ms),
            holder: place.holder,
            lease_left_ms: place.lease_left_ms,
            attempts: place.attempts,
            failures: place.failures,
            crashes: place.crashes,
            parked: place.parked,
            replay: place.replay,
        }
    }
}

impl From<conflict::Model> for Conflict {
    fn from(row: conflict::Model) -> Self {
        Self {
            received_at: row.received_at,
            kind: row.kind.map(String::from),
            source_account: row.source_account.map(String::from),
            destination_account: row.destination_account.map(String::from),
            amount: amounts::number(row.amount),
            currency: row.currency.map(String::from),
        }
    }
}
