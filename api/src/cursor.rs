//! Where the next page begins, as a text that says nothing to anybody else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

/// What follows is an id below which the next page begins. Another meaning gets another number.
const VERSION: u8 = 1;

/// A cursor as a regular expression.
pub(crate) const PATTERN: &str = "^A[Q-Za-f][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$";

pub(crate) fn encode(id: Uuid) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` if this was never a cursor, or was one of another version.
pub(crate) fn decode(text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    match bytes.split_first()? {
        (&VERSION, id) => Uuid::from_slice(id).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let id = Uuid::from_u128(u128::MAX - 7);
        let cursor = encode(id);
        assert_eq!(cursor, "Af____________________g");
        assert_eq!(decode(&cursor), Some(id));
        for text in [
            "",
            "A",
            "Af____________________g=",
            "Af____________________h",
            "Av____________________g",
            "Af___________________w",
            "Af____________________\u{e4}",
            "0190163d-8694-739b-aea5-966c26f8ad91",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
