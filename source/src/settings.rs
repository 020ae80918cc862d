//! What an operator says of a source.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::{fields::FieldSettings, scheme::Verify};

/// A preset, or `verify`; what else is said stands instead of what the preset says. Its secrets come apart
/// ([`Credentials`](crate::Credentials)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub preset: Option<String>,
    pub verify: Option<Verify>,
    /// Where the event's id stands: `json:/id`, `header:X-Id`; several that make it together (`json:/event + json:/data/id`,
    /// or a list of them); and others to look at if one is not there (`header:X-Id | json:/id`). In a batch, pointers begin
    /// at the item.
    #[serde(deserialize_with = "places")]
    pub id: Option<String>,
    /// Where its type stands, likewise.
    #[serde(rename = "type", deserialize_with = "places")]
    pub kind: Option<String>,
    /// Where the sender's time stands. Without it, the signed time.
    pub time: Option<String>,
    /// A JSON pointer to an array whose items are the events.
    pub split: Option<String>,
    pub on_missing_id: Option<MissingId>,
    /// What a genuine request is answered.
    pub answer: Option<Answer>,
    pub fields: Option<FieldSettings>,
}

/// A text, or a list of texts that are one with ` + ` between.
fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Places;

    impl<'de> Visitor<'de> for Places {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a place such as \"json:/id\", or a list of them")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
            let mut places = Vec::new();
            while let Some(place) = list.next_element::<String>()? {
                places.push(place);
            }
            Ok(places.join(" + "))
        }
    }

    deserializer.deserialize_any(Places).map(Some)
}

/// What a genuine event without an id is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingId {
    /// Refused.
    #[default]
    Reject,
    /// The same as another one of the same bytes.
    Hash,
    /// Another one than all before.
    Unique,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    #[serde(default)]
    pub body: String,
}
