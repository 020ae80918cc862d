//! The members of a webhook beyond those that we know: kept as they were sent, in their order, those that stand twice
//! twice. They are not interpreted.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use serde_json::value::RawValue;

/// A JSON object in the making, without its last brace; empty if it has no members.
#[derive(Default)]
pub(super) struct Extra(String);

impl Extra {
    /// `name` is as it stands between quotation marks.
    pub(super) fn add(&mut self, name: &str, value: &RawValue) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        for part in ["\"", name, "\":", value.get()] {
            self.0.push_str(part);
        }
    }

    /// `None` if there are no members.
    pub(super) fn into_object(mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push('}');
        Some(self.0)
    }
}

/// The name of a member.
pub(super) enum Name<'a> {
    TransactionId,
    SourceAccount,
    DestinationAccount,
    Amount,
    Currency,
    /// As JSON, without quotation marks.
    Other(Cow<'a, str>),
}

fn known<'a>(name: &str) -> Option<Name<'a>> {
    match name {
        "transaction_id" => Some(Name::TransactionId),
        "source_account" => Some(Name::SourceAccount),
        "destination_account" => Some(Name::DestinationAccount),
        "amount" => Some(Name::Amount),
        "currency" => Some(Name::Currency),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            /// It stands so in the text, without escapes.
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(known(name).unwrap_or(Name::Other(name.into())))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                if let Some(name) = known(name) {
                    return Ok(name);
                }
                let json = serde_json::to_string(name).map_err(E::custom)?;
                let json = json
                    .strip_prefix('"')
                    .and_then(|json| json.strip_suffix('"'));
                Ok(Name::Other(json.unwrap_or_default().to_owned().into()))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}
