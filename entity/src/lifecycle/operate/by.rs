//! Who does something, and why.

use thiserror::Error;

use crate::{
    name::{self, ParseNameError},
    text::checked_text,
};

/// Who does something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub who: Who,
    pub reason: Reason,
}

checked_text! {
    /// The name of a token, or the command line's user: 1 to 255 characters, none of them a control character.
    Who, ParseNameError, name::check
}

/// Characters of a [`Reason`].
pub const REASON_CHARS_MAX: usize = 1_000;

checked_text! {
    /// Why, for whoever asks later: 1 to 1,000 characters, not all of them white space, none of them a control character.
    Reason, NotReason, check
}

/// Why a text is no [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotReason {
    #[error("must have 1 to 1000 characters")]
    Length,
    #[error("must not contain control characters")]
    ControlCharacter,
}

fn check(text: &str) -> Result<(), NotReason> {
    // The bytes first: nobody counts the characters of a megabyte.
    let is_too_long = text.len() > 4 * REASON_CHARS_MAX || text.chars().count() > REASON_CHARS_MAX;
    if is_too_long || text.trim().is_empty() {
        Err(NotReason::Length)
    } else if text.chars().any(char::is_control) {
        Err(NotReason::ControlCharacter)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_within_its_length() {
        for text in [
            "x",
            "Ünïcode – ok; '; DROP TABLE audit; --",
            &"ü".repeat(1_000),
        ] {
            assert!(text.parse::<Reason>().is_ok(), "{text}");
        }
        for text in ["", "   ", &"ü".repeat(1_001), &"x".repeat(1 << 20)] {
            assert_eq!(text.parse::<Reason>(), Err(NotReason::Length));
        }
        for text in ["a\nb", "a\0", "\u{1b}[31m"] {
            assert_eq!(text.parse::<Reason>(), Err(NotReason::ControlCharacter));
        }
    }
}
