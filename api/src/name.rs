//! What an id or an account may be.

/// Characters in a name.
pub(crate) const CHARS_MAX: usize = 255;
/// No control characters (Unicode's category Cc), in a form that means the same in every language's regular expressions.
pub(crate) const PATTERN: &str = r"^[^\x00-\x1F\x7F-\x9F]+$";

/// Whether a text may be an id or an account; if not, what it must be.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.chars().count() > CHARS_MAX {
        Err("must have 1 to 255 characters")
    } else if text.chars().any(char::is_control) {
        Err("must not contain control characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_are_counted_in_characters() {
        assert_eq!(check(&"ü".repeat(255)), Ok(()));
        assert!(check(&"a".repeat(256)).is_err());
        assert!(check("a\u{85}b").is_err());
    }
}
