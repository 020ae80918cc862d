//! What has a name: sources; and what senders name: their transactions, types and accounts.

use thiserror::Error;

use crate::text::checked_text;

/// Characters in a name.
pub const CHARS_MAX: usize = 255;
/// A name as a regular expression, its length aside: no control characters (Unicode's category Cc), in a form that means the
/// same in every language.
pub const PATTERN: &str = r"^[^\x00-\x1F\x7F-\x9F]+$";

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseNameError {
    #[error("must have 1 to 255 characters")]
    Length,
    /// PostgreSQL cannot keep a NUL, and nobody can read the others.
    #[error("must not contain control characters")]
    ControlCharacter,
}

checked_text! {
    /// A sender's own id of a transaction: 1 to 255 characters, none of them a control character.
    TransactionId, ParseNameError, check
}

checked_text! {
    /// A sender's word for what has happened: 1 to 255 characters, none of them a control character.
    EventType, ParseNameError, check
}

checked_text! {
    /// A source, as its path names it: 1 to 63 of `a` to `z`, digits, `-`, `_` and `.`, the first a letter or a digit.
    SourceName, ParseSourceNameError, check_source
}

/// The source of the five fields, `POST /v1/webhooks/transactions`.
pub const BUILT_IN: &str = "transactions";
/// Characters in a source's name: those of a label of a host's name (RFC 1035).
pub const SOURCE_CHARS_MAX: usize = 63;
/// A source's name as a regular expression, its length aside.
pub const SOURCE_PATTERN: &str = r"^[a-z0-9][a-z0-9._-]*$";

/// A text that names no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "must have 1 to 63 characters, each a to z, 0 to 9, -, _ or ., beginning with a letter or a digit"
)]
pub struct ParseSourceNameError;

impl SourceName {
    pub fn built_in() -> Self {
        Self(BUILT_IN.to_owned())
    }

    pub fn is_built_in(&self) -> bool {
        self.0 == BUILT_IN
    }
}

fn check_source(text: &str) -> Result<(), ParseSourceNameError> {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_name = text.len() <= SOURCE_CHARS_MAX
        && text.starts_with(is_alphanumeric)
        && text
            .chars()
            .all(|c| is_alphanumeric(c) || matches!(c, '-' | '_' | '.'));
    is_name.then_some(()).ok_or(ParseSourceNameError)
}

checked_text! {
    /// An account that pays or receives: 1 to 255 characters, none of them a control character.
    Account, ParseNameError, check
}

pub(crate) fn check(text: &str) -> Result<(), ParseNameError> {
    if text.is_empty() || text.chars().count() > CHARS_MAX {
        Err(ParseNameError::Length)
    } else if text.chars().any(char::is_control) {
        Err(ParseNameError::ControlCharacter)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, string::string_regex};

    use super::*;

    #[test]
    fn names_are_counted_in_characters() {
        assert_eq!(check(&"ü".repeat(CHARS_MAX)), Ok(()));
        assert_eq!(
            check(&"ü".repeat(CHARS_MAX + 1)),
            Err(ParseNameError::Length)
        );
        assert_eq!(check(""), Err(ParseNameError::Length));
    }

    proptest! {
        #[test]
        fn what_the_pattern_describes_is_a_name(
            text in string_regex(PATTERN.trim_matches(['^', '$'])).unwrap()
        ) {
            let id: TransactionId = text.parse().unwrap();
            prop_assert_eq!(id.as_ref(), text.as_str());
        }

        #[test]
        fn what_the_pattern_of_sources_describes_names_one(
            text in string_regex(SOURCE_PATTERN.trim_matches(['^', '$'])).unwrap()
        ) {
            let is_short = text.len() <= SOURCE_CHARS_MAX;
            prop_assert_eq!(text.parse::<SourceName>().is_ok(), is_short);
        }

        #[test]
        fn a_control_character_makes_it_none(control in "[\\x00-\\x1F\\x7F-\\x9F]") {
            let text = format!("a{control}b");
            prop_assert_eq!(text.parse::<Account>(), Err(ParseNameError::ControlCharacter));
        }
    }
}
