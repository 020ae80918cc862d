//! An amount: a JSON number with all its digits.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};

/// Every amount is nearer to zero.
const BELOW: f64 = 1e15;

/// An amount as a text: a number of RFC 8259, section 6. Exponents are taken, too, but with them no pattern could count the
/// digits.
pub(crate) const AMOUNT_PATTERN: &str = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$";

/// An [`entity::Amount`] as a JSON number that is written digit by digit.
pub(super) struct Amount<const SENT: bool = false>(entity::Amount);

/// As [`Amount`], or a string that is exactly such a number.
pub(super) type SentAmount = Amount<true>;

impl<const SENT: bool> From<entity::Amount> for Amount<SENT> {
    fn from(amount: entity::Amount) -> Self {
        Self(amount)
    }
}

impl<const SENT: bool> Serialize for Amount<SENT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = RawValue::from_string(self.0.to_string());
        json.unwrap_or_else(|_| RawValue::NULL.to_owned())
            .serialize(serializer)
    }
}

impl<const SENT: bool> Type for Amount<SENT> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        match SENT {
            true => "number(decimal) or string(decimal)".into(),
            false => "number(decimal)".into(),
        }
    }

    fn schema_ref() -> MetaSchemaRef {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        match SENT {
            true => inline(MetaSchema {
                one_of: vec![inline(number()), inline(string())],
                example: Some(Value::from(1500)),
                ..MetaSchema::ANY
            }),
            false => inline(number()),
        }
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

fn number() -> MetaSchema {
    MetaSchema {
        description: Some(
            "A decimal number of up to 15 digits before and 4 after the point; zero and \
             negative too. Exact: it never passes through binary floating point here. (`double` \
             is what a client without decimal numbers needs at least.)",
        ),
        // No `multipleOf`: those who check it divide doubles, and refuse 1500.1.
        minimum: Some(-BELOW),
        exclusive_minimum: Some(true),
        maximum: Some(BELOW),
        exclusive_maximum: Some(true),
        example: Some(Value::from(1500)),
        // Not `decimal`, which some generators end with, nor nothing, which they take for 32 bits.
        ..MetaSchema::new_with_format("number", "double")
    }
}

fn string() -> MetaSchema {
    MetaSchema {
        description: Some("Exactly such a number: for whom numbers are binary floating point."),
        pattern: Some(AMOUNT_PATTERN.into()),
        example: Some(Value::from("1500.00")),
        ..MetaSchema::new("string")
    }
}

/// Only examples in the OpenAPI document take this way.
impl<const SENT: bool> ToJSON for Amount<SENT> {
    fn to_json(&self) -> Option<Value> {
        serde_json::from_str(&self.0.to_string()).ok()
    }
}

impl<const SENT: bool> ParseFromJSON for Amount<SENT> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        value
            .unwrap_or_default()
            .to_string()
            .parse()
            .map(Self)
            .map_err(ParseError::custom)
    }
}

impl<const SENT: bool> Example for Amount<SENT> {
    fn example() -> Self {
        Self(entity::Amount::from(1500))
    }
}
