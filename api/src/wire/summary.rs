//! Counts and sums, to whoever closes a day.

use entity::lifecycle::summary::Total;
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

use super::Status;

/// How many transactions came in a span of time, and how much they come to.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct Summary {
    /// Received at this time or later (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) from: OffsetDateTime,
    /// Received before this time.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) to: OffsetDateTime,
    /// One line for each combination that is there of what `by` names.
    pub(crate) data: Vec<SummaryLine>,
}

/// Transactions that have something in common: of `source`, `currency` and `status` what `by` names.
#[derive(Serialize, Object)]
#[oai(example)]
#[oai(skip_serializing_if_is_none)]
pub struct SummaryLine {
    /// Their source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// Their currency; not there for those that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
    /// Where they are in their lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    /// How many there are.
    pub(crate) count: u64,
    /// The exact sum of their amounts, as a text, for it may have more digits than a client's numbers; only there where `by`
    /// names `currency`, and any of them has an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<String>,
}

impl Summary {
    /// The lines, for whoever shows the same elsewhere.
    pub fn lines(&self) -> impl Iterator<Item = [String; 5]> + '_ {
        self.data.iter().map(|line| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            [
                text(&line.source),
                text(&line.currency),
                line.status.map(Status::word).unwrap_or_default().to_owned(),
                line.count.to_string(),
                text(&line.sum),
            ]
        })
    }
}

impl SummaryLine {
    pub(crate) fn new(
        source: Option<String>,
        (currency, is_by_currency): (Option<String>, bool),
        status: Option<entity::Status>,
        total: Total,
    ) -> Self {
        let has_sum = is_by_currency && total.with_amount > 0;
        Self {
            source,
            currency,
            status: status.map(Status::from),
            count: total.count,
            sum: has_sum.then(|| total.sum.to_string()),
        }
    }
}

impl Example for SummaryLine {
    fn example() -> Self {
        Self {
            source: Some("transactions".into()),
            currency: Some("INR".into()),
            status: Some(Status::Processed),
            count: 1204,
            sum: Some("1806000.5".into()),
        }
    }
}

impl Example for Summary {
    fn example() -> Self {
        let from = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_276_800);
        Self {
            from,
            to: from + time::Duration::days(1),
            data: vec![SummaryLine::example()],
        }
    }
}
