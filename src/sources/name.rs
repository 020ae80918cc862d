//! What a source may be called, and where it is.

use entity::SourceName;

/// Whether a source may have this name: it stands in a path, in the log and in the database.
pub fn is_good(name: &str) -> bool {
    name.parse::<SourceName>().is_ok()
}

/// What a name must be, after `must be`.
pub const GOOD: &str =
    "1 to 63 of the characters a-z 0-9 - _ . that begin with a letter or a digit";

/// Where its webhooks are sent to.
pub fn path(name: &str) -> String {
    format!("/v1/webhooks/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_good_in_a_path() {
        for name in ["stripe", "a", "0", "shop-2", "a.b_c", &"a".repeat(63)] {
            assert!(is_good(name), "{name}");
        }
        for name in [
            "",
            "-a",
            ".",
            "..",
            "_a",
            "Stripe",
            "a b",
            "a/b",
            "\u{e4}",
            "a\n",
            &"a".repeat(64),
        ] {
            assert!(!is_good(name), "{name}");
        }
    }
}
