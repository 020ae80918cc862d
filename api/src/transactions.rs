//! `GET /v1/transactions/{transaction_id}`: look a transaction up.

use std::borrow::Cow;

use entity::{Status, Verdict, failure, lifecycle, transaction::Model};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::Path,
    registry::{MetaSchema, MetaSchemaRef},
    types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use sea_orm::{DatabaseConnection, DbErr};
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use time::OffsetDateTime;

use crate::{
    look_up::{self, Answer, example_id},
    routes::Tag,
    webhooks::StatusSchema,
};

/// Every amount is nearer to zero.
const AMOUNT_BELOW: f64 = 1e15;

pub(crate) struct Transactions {
    pub(crate) db: DatabaseConnection,
}

/// A transaction as it stands.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Transaction {
    /// The sender's id of the transaction.
    transaction_id: String,
    /// The paying account.
    source_account: String,
    /// The receiving account.
    destination_account: String,
    /// How much: equal in value to what was sent.
    amount: Amount,
    /// Three capital letters (ISO 4217).
    currency: String,
    /// Where the transaction is in its life.
    status: StatusSchema,
    /// When it was committed (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was processed (RFC 3339, UTC); `null` until then.
    #[oai(nullable)]
    #[serde(with = "time::serde::rfc3339::option")]
    processed_at: Option<OffsetDateTime>,
    /// Why it is `FAILED`; only there if it is.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

/// Why the work was given up; only there if the transaction is `FAILED`.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Failure {
    /// In one word.
    verdict: VerdictSchema,
    /// For people.
    reason: String,
    /// When it was given up (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    failed_at: OffsetDateTime,
}

/// Why the work was given up, in one word.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE", rename = "Verdict")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum VerdictSchema {
    /// The far side has refused it for good.
    Permanent,
    /// The last attempt of the schedule has failed.
    Exhausted,
    /// It killed or panicked its consumer again and again.
    Poison,
}

impl From<failure::Model> for Failure {
    fn from(row: failure::Model) -> Self {
        Self {
            verdict: match row.verdict {
                Verdict::Permanent => VerdictSchema::Permanent,
                Verdict::Exhausted => VerdictSchema::Exhausted,
                Verdict::Poison => VerdictSchema::Poison,
            },
            reason: row.reason,
            failed_at: row.failed_at,
        }
    }
}

impl Example for Failure {
    fn example() -> Self {
        Self {
            verdict: VerdictSchema::Permanent,
            reason: "answered 422 Unprocessable Entity".into(),
            failed_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_630),
        }
    }
}

impl Transaction {
    fn new(row: Model, failure: Option<failure::Model>) -> Self {
        Self {
            transaction_id: row.transaction_id,
            source_account: row.source_account,
            destination_account: row.destination_account,
            amount: Amount(row.amount),
            currency: row.currency,
            status: row.status.into(),
            created_at: row.created_at,
            processed_at: row.processed_at,
            failure: failure.map(Failure::from),
        }
    }
}

impl Example for Transaction {
    fn example() -> Self {
        let created_at = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600);
        Self {
            transaction_id: "txn_abc123".into(),
            source_account: "acc_user_1".into(),
            destination_account: "acc_merchant_1".into(),
            amount: Amount::example(),
            currency: "INR".into(),
            status: StatusSchema::Processed,
            created_at,
            processed_at: Some(created_at + time::Duration::seconds(30)),
            failure: None,
        }
    }
}

#[OpenApi]
impl Transactions {
    /// Look a transaction up
    ///
    /// Answers with the transaction's content and status as they are in the database now.
    #[oai(
        path = "/v1/transactions/:transaction_id",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "getTransaction"
    )]
    async fn find(
        &self,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
    ) -> Answer<Transaction> {
        look_up::answer(&transaction_id, self.load(&transaction_id)).await
    }
}

impl Transactions {
    async fn load(&self, transaction_id: &str) -> Result<Option<Transaction>, DbErr> {
        let Some(row) = lifecycle::find(&self.db, transaction_id).await? else {
            return Ok(None);
        };
        let failure = match row.status {
            Status::Failed => lifecycle::failure(&self.db, row.id).await?,
            Status::Processing | Status::Processed => None,
        };
        Ok(Some(Transaction::new(row, failure)))
    }
}

/// An [`entity::Amount`] as a JSON number that is written digit by digit.
pub(crate) struct Amount(entity::Amount);

impl Amount {
    fn json(&self) -> Box<RawValue> {
        RawValue::from_string(self.0.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// As [`Amount`], or a string that is exactly such a number.
pub(crate) struct SentAmount(Amount);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

impl Type for Amount {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "number(decimal)".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some(
                "A decimal number of up to 15 digits before and 4 after the point; zero and \
                 negative too. Exact: it never passes through binary floating point here. (`double` \
                 is what a client without decimal numbers needs at least.)",
            ),
            // No `multipleOf`: those who check it divide doubles, and refuse 1500.1.
            minimum: Some(-AMOUNT_BELOW),
            exclusive_minimum: Some(true),
            maximum: Some(AMOUNT_BELOW),
            exclusive_maximum: Some(true),
            example: Some(Value::from(1500)),
            // Not `decimal`, which some generators end with, nor nothing, which they take for 32 bits.
            ..MetaSchema::new_with_format("number", "double")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

/// Only examples in the OpenAPI document take this way.
impl ToJSON for Amount {
    fn to_json(&self) -> Option<Value> {
        serde_json::from_str(&self.0.to_string()).ok()
    }
}

impl ParseFromJSON for Amount {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        value
            .unwrap_or_default()
            .to_string()
            .parse()
            .map(Self)
            .map_err(ParseError::custom)
    }
}

impl Example for Amount {
    fn example() -> Self {
        Self(entity::Amount::from(1500))
    }
}

impl Type for SentAmount {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "number(decimal) or string(decimal)".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let string = MetaSchema {
            description: Some("Exactly such a number: for whom numbers are binary floating point."),
            // RFC 8259, section 6. Exponents are taken, too, but with them no pattern could count the digits.
            pattern: Some(r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$".into()),
            example: Some(Value::from("1500.00")),
            ..MetaSchema::new("string")
        };
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            one_of: vec![
                Amount::schema_ref(),
                MetaSchemaRef::Inline(Box::new(string)),
            ],
            example: Some(Value::from(1500)),
            ..MetaSchema::ANY
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for SentAmount {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

impl ParseFromJSON for SentAmount {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Amount::parse_from_json(value)
            .map(Self)
            .map_err(ParseError::propagate)
    }
}

impl Example for SentAmount {
    fn example() -> Self {
        Self(Amount::example())
    }
}
