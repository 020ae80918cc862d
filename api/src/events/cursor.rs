//! How far somebody has followed, as a text that says nothing to anybody else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

/// What follows are the four places of [`Cursor`]. Another meaning gets another number.
const VERSION: u8 = 2;
/// Of a cursor, in bytes.
const BYTES: usize = 1 + 3 * 16 + 8;

/// A cursor as a regular expression.
pub(crate) const PATTERN: &str = "^A[g-v][A-Za-z0-9_-]{74}$";

/// How far somebody has followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What was accepted below this id has been told.
    pub(super) accepted: Uuid,
    /// The first that was told, and whose end has not been.
    pub(super) unfinished: Uuid,
    /// What failed before this time has been told: milliseconds since 1970 by the database's clock.
    pub(super) failed: i64,
    /// What operators did below this id has been told.
    pub(super) acts: Uuid,
}

impl Cursor {
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        for id in [self.accepted, self.unfinished, self.acts] {
            bytes.extend(id.as_bytes());
        }
        bytes.extend(self.failed.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` if this was never a cursor, or was one of another version.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes: &[u8; BYTES] = bytes.as_slice().try_into().ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (ids, failed) = rest.split_at_checked(3 * 16)?;
        let mut ids = ids.chunks_exact(16).map(Uuid::from_slice);
        let cursor = Self {
            accepted: ids.next()?.ok()?,
            unfinished: ids.next()?.ok()?,
            acts: ids.next()?.ok()?,
            failed: i64::from_be_bytes(failed.try_into().ok()?),
        };
        (version == VERSION && cursor.failed >= 0).then_some(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let cursor = Cursor {
            accepted: Uuid::from_u128(u128::MAX - 7),
            unfinished: Uuid::from_u128(3),
            failed: 1_800_000_000_000,
            acts: Uuid::from_u128(1 << 100),
        };
        let text = cursor.encode();
        assert_eq!(text.len(), 76);
        assert!(text.starts_with("Av") && matches!(PATTERN, "^A[g-v][A-Za-z0-9_-]{74}$"));
        assert_eq!(Cursor::decode(&text), Some(cursor));
        let other_version = format!("AQ{}", &text[2..]);
        for text in [
            "",
            "A",
            &text[1..],
            &other_version,
            &format!("{text}A"),
            &"_".repeat(76),
        ] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
