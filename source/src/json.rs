//! Reading a place in JSON without changing a byte of it: what is found is a piece of the text itself.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The value that a pointer (RFC 6901, already split) leads to. If a name stands twice in an object, the last one counts,
/// as for most readers.
pub(crate) fn find<'a>(text: &'a [u8], path: &[String]) -> Option<&'a str> {
    let mut value = std::str::from_utf8(text).ok()?;
    let Some((first, rest)) = path.split_first() else {
        let raw: &RawValue = serde_json::from_str(value).ok()?;
        return Some(raw.get());
    };
    let mut json = serde_json::Deserializer::from_str(value);
    value = Step(first).deserialize(&mut json).ok()??.get();
    json.end().ok()?;
    for step in rest {
        let mut json = serde_json::Deserializer::from_str(value);
        value = Step(step).deserialize(&mut json).ok()??.get();
    }
    Some(value)
}

/// A string or a number as text: a number as its own digits.
pub(crate) fn scalar(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' if !value.contains('\\') => value.get(1..value.len() - 1).map(Cow::Borrowed),
        b'"' => serde_json::from_str(value).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value)),
        _ => None,
    }
}

/// The elements of an array, each as it stands in the text; `None` if it is no array, or a longer one.
pub(crate) fn items(value: &str, max: usize) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    (items.len() <= max).then(|| items.into_iter().map(RawValue::get).collect())
}

/// One step of a pointer: into an object, by name, or an array, by number.
struct Step<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(self.0))? {
            if is_it {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let index = self.0.parse::<usize>().ok();
        let mut found = None;
        let mut at = 0;
        while let Some(item) = seq.next_element()? {
            if Some(at) == index {
                found = Some(item);
            }
            at += 1;
        }
        Ok(found)
    }
}

/// Whether a name in an object is this one.
struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
        let path: Vec<_> = pointer.split('/').skip(1).map(str::to_owned).collect();
        find(text.as_bytes(), &path)
    }

    #[test]
    fn a_place_is_a_piece_of_the_text() {
        let text = r#" {"a":{"n":1.10, "b":[{"c":820982911946154508}]},"e\u0041":"x"} "#;
        assert_eq!(at(text, "/a/n"), Some("1.10"));
        assert_eq!(at(text, "/a/b/0/c"), Some("820982911946154508"));
        assert_eq!(at(text, "/eA"), Some("\"x\""));
        assert_eq!(at(text, ""), Some(text.trim()));
        for nowhere in ["/b", "/a/b/1", "/a/b/x", "/a/n/0", "/a/b/0/c/d"] {
            assert_eq!(at(text, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_is_no_json_has_no_places() {
        for text in ["", "{", r#"{"a":1} x"#, r#"{"a":1"#, "\u{feff}{\"a\":1}"] {
            assert_eq!(at(text, "/a"), None, "{text}");
        }
        assert_eq!(find(b"{\"a\":\"\xff\"}", &["a".to_owned()]), None);
        let deep = "[".repeat(100_000);
        assert_eq!(at(&deep, "/0/0"), None);
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        assert_eq!(at(r#"{"a":1,"a":2}"#, "/a"), Some("2"));
    }
}
