//! A JSON object, read strictly: each member once, and none that means nothing.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::unclear::Unclear;
use crate::problem::FieldError;

/// What is in an object and has not been taken out yet, and what is wrong with it.
pub(super) struct Members<'a> {
    /// Before the name of each member, in a name that tells its place: `filter.`
    within: &'static str,
    left: Vec<(String, &'a RawValue)>,
    pub(super) errors: Vec<FieldError>,
}

impl<'a> Members<'a> {
    /// Of a whole body.
    pub(super) fn of(body: &'a [u8]) -> Result<Self, Unclear> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let byte = error.valid_up_to();
            Unclear::NotJson(format!("the body is not UTF-8 from byte {byte} on"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Object(left) = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => Unclear::Fields(vec![FieldError::new("", "must be an object")]),
            _ => Unclear::NotJson(format!(
                "the body is not JSON: it breaks at line {}, column {}",
                error.line(),
                error.column()
            )),
        })?;
        Ok(Self {
            within: "",
            left,
            errors: Vec::new(),
        })
    }

    /// Of an object in an object.
    pub(super) fn inside(raw: &'a RawValue, within: &'static str) -> Result<Self, String> {
        let object: Result<Object<'_>, _> = serde_json::from_str(raw.get());
        let Object(left) = object.map_err(|_| "must be an object")?;
        Ok(Self {
            within,
            left,
            errors: Vec::new(),
        })
    }

    /// Takes a member out, which need not be there. `field` is its name, with its place.
    pub(super) fn take(&mut self, field: &'static str) -> Option<&'a RawValue> {
        let name = field.strip_prefix(self.within).unwrap_or(field);
        let at = self.left.iter().position(|(other, _)| other == name)?;
        let (_, raw) = self.left.swap_remove(at);
        if self.left.iter().any(|(other, _)| other == name) {
            self.left.retain(|(other, _)| other != name);
            self.wrong(field, "must be given once");
            return None;
        }
        Some(raw)
    }

    /// Takes out and reads a member which need not be there.
    pub(super) fn read<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, String>,
    ) -> Option<T> {
        let read = read(self.take(field)?);
        read.map_err(|why| self.wrong(field, why)).ok()
    }

    /// The same, of one that must be there.
    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, String>,
    ) -> Option<T> {
        let before = self.errors.len();
        match self.take(field) {
            Some(raw) => read(raw).map_err(|why| self.wrong(field, why)).ok(),
            None => {
                if self.errors.len() == before {
                    self.wrong(field, "is required");
                }
                None
            }
        }
    }

    pub(super) fn wrong(&mut self, field: &'static str, why: impl Into<String>) {
        self.errors.push(FieldError::new(field, why));
    }

    /// What is wrong, when all that is known has been taken out. What is left means nothing to us, and may have meant
    /// something to whoever sent it. Its name may be anything, and is not repeated.
    pub(super) fn end(mut self, place: &'static str, known: &str) -> Vec<FieldError> {
        if !self.left.is_empty() {
            self.wrong(place, format!("must have no members but {known}"));
        }
        self.errors
    }
}

/// Reads a value of this type.
pub(super) fn value<T: DeserializeOwned>(what: &str, raw: &RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("must be {what}"))
}

/// Reads a text of a kind that has a rule.
pub(super) fn text<T: TryFrom<String, Error: fmt::Display>>(raw: &RawValue) -> Result<T, String> {
    let text: String = value("a string", raw)?;
    T::try_from(text).map_err(|error| error.to_string())
}

/// The members, unread.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Take)
    }
}

struct Take;

impl<'de> Visitor<'de> for Take {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Object(members))
    }
}
