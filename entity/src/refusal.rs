//! The table `refusals`: the ledger of requests that were not proven, for whoever asks why a sender is refused.

use ring::digest::{SHA256, digest};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::SourceName;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refusals")]
pub struct Model {
    /// UUID version 7: the ledger is read in the order of its ids.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub source: SourceName,
    /// `mismatch`, `missing_header`, `malformed`, `stale` or `unreadable`.
    pub reason: String,
    /// Of what is stale: how many seconds ago it was signed; in the future, if that is negative.
    pub skew_s: Option<i64>,
    /// Of the body, in bytes.
    pub size: i64,
    /// SHA-256 of the body, which itself is not kept.
    pub hash: Vec<u8>,
    /// By the database's clock.
    pub refused_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A line for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub id: Uuid,
    pub source: SourceName,
    pub reason: &'static str,
    pub skew_s: Option<i64>,
    pub size: i64,
    pub hash: Vec<u8>,
}

impl Refusal {
    /// Of a request with this body, which has just been refused.
    pub fn new(source: SourceName, reason: &'static str, skew_s: Option<i64>, body: &[u8]) -> Self {
        Self {
            id: Uuid::now_v7(),
            source,
            reason,
            skew_s,
            size: i64::try_from(body.len()).unwrap_or(i64::MAX),
            hash: digest(&SHA256, body).as_ref().to_vec(),
        }
    }
}
