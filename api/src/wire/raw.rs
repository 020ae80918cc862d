//! JSON that passes through as it is: no number in it becomes binary floating point.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ToJSON, Type},
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

/// Any value, or an `OBJECT`, as its sender has written it.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Raw<const OBJECT: bool = false>(Box<RawValue>);

pub(super) type RawObject = Raw<true>;

impl<const OBJECT: bool> Raw<OBJECT> {
    /// `None` if the text is no JSON.
    pub(super) fn new(text: &str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        Some(Self(raw.to_owned()))
    }
}

impl<const OBJECT: bool> Type for Raw<OBJECT> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        match OBJECT {
            true => "object(raw)".into(),
            false => "raw".into(),
        }
    }

    fn schema_ref() -> MetaSchemaRef {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        inline(match OBJECT {
            true => MetaSchema {
                additional_properties: Some(Box::new(inline(MetaSchema::ANY))),
                ..MetaSchema::new("object")
            },
            false => MetaSchema::ANY,
        })
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

/// Only examples in the OpenAPI document take this way.
impl<const OBJECT: bool> ToJSON for Raw<OBJECT> {
    fn to_json(&self) -> Option<Value> {
        serde_json::from_str(self.0.get()).ok()
    }
}

impl<const OBJECT: bool> poem_openapi::types::ParseFromJSON for Raw<OBJECT> {
    fn parse_from_json(value: Option<Value>) -> poem_openapi::types::ParseResult<Self> {
        let text = value.unwrap_or_default().to_string();
        Self::new(&text).ok_or_else(|| poem_openapi::types::ParseError::custom("is no JSON"))
    }
}
