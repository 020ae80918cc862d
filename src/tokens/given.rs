//! Tokens as they are written: `SECRET` or `NAME:SECRET`.

use std::ops::RangeInclusive;

/// Shorter secrets can be guessed. In characters.
const SECRET_CHARS: RangeInclusive<usize> = 16..=512;
const NAME_CHARS: RangeInclusive<usize> = 1..=64;
/// Of one variable or file.
pub const TOKENS_MAX: usize = 100;

/// What every token must be.
const GOOD: &str = "each SECRET or NAME:SECRET, with a secret of 16 to 512 letters, digits and -._~+/=, and a name of 1 to 64 \
                    letters, digits and -._@";

/// A token as it is written. Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    /// By which its holder is known; one without is known by where it stands.
    pub name: Option<String>,
    pub secret: String,
}

/// The tokens of a variable.
#[derive(Clone)]
pub struct Given(pub Vec<Written>);

impl Given {
    /// Reads a variable's value. Fails with what it must be, which does not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = text.split(',').map(token).collect::<Option<Vec<_>>>();
        let tokens = tokens.filter(|tokens| tokens.len() <= TOKENS_MAX);
        let bad =
            || format!("must be tokens with commas between them, {TOKENS_MAX} at most, {GOOD}");
        tokens.map(Self).ok_or_else(bad)
    }

    /// Reads a file's text, with a token on each line that is not blank.
    pub fn of_lines(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let tokens = lines.map(token).collect::<Option<Vec<_>>>();
        let tokens = tokens.filter(|tokens| tokens.len() <= TOKENS_MAX);
        let bad = || format!("must have a token on each line, {TOKENS_MAX} at most, {GOOD}");
        tokens.map(Self).ok_or_else(bad)
    }
}

fn token(text: &str) -> Option<Written> {
    let (name, secret) = match text.split_once(':') {
        Some((name, secret)) => (Some(name), secret),
        None => (None, text),
    };
    // What may follow Bearer (RFC 6750, section 2.1).
    let is_of_secrets = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    let is_good = SECRET_CHARS.contains(&secret.len())
        && secret.chars().all(is_of_secrets)
        && name
            .is_none_or(|name| NAME_CHARS.contains(&name.len()) && name.chars().all(is_of_names));
    is_good.then(|| Written {
        name: name.map(str::to_owned),
        secret: secret.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (Option<String>, String);

    fn pairs(given: Result<Given, String>) -> Vec<Pair> {
        let given = given.unwrap().0.into_iter();
        given.map(|token| (token.name, token.secret)).collect()
    }

    fn pair(name: Option<&str>, secret: &str) -> Pair {
        (name.map(str::to_owned), secret.to_owned())
    }

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "AbC-._~+/AbC-._~+/==";

    #[test]
    fn a_token_has_a_name_or_none() {
        assert_eq!(pairs(Given::parse(ONE)), [pair(None, ONE)]);
        let several = format!("anna@example.org:{ONE},{OTHER},ci:{OTHER}x");
        assert_eq!(
            pairs(Given::parse(&several)),
            [
                pair(Some("anna@example.org"), ONE),
                pair(None, OTHER),
                pair(Some("ci"), &format!("{OTHER}x")),
            ]
        );
        let lines = format!("\r\nanna:{ONE}\r\n \n  {OTHER}  \n");
        assert_eq!(
            pairs(Given::of_lines(&lines)),
            [pair(Some("anna"), ONE), pair(None, OTHER)]
        );
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_repeated() {
        let long = "s3cret".repeat(100);
        let many = vec![ONE; TOKENS_MAX + 1];
        for text in [
            "",
            "s3cret",
            ",",
            "0123456789abcde",
            "0123456789abcdef,",
            "0123456789abcdef,,0123456789abcdeg",
            ":0123456789abcdef",
            "anna:",
            "anna:s3cret",
            "anna: 0123456789abcdef",
            "an na:0123456789abcdef",
            "anna:0123456789:abcdef",
            "\u{fc}:0123456789abcdef",
            "0123456789abcd\u{fc}f",
            "\"0123456789abcdef\"",
            &long,
            &many.join(","),
        ] {
            let said = Given::parse(text).err().unwrap();
            assert!(said.starts_with("must be tokens"), "{text}: {said}");
            assert!(!said.contains("s3cret") && !said.contains("0123"), "{said}");
        }
        for text in [
            "s3cret",
            "0123456789abcdef,0123456789abcdeg",
            &many.join("\n"),
        ] {
            let said = Given::of_lines(text).err().unwrap();
            assert!(said.starts_with("must have a token"), "{text}: {said}");
            assert!(!said.contains("s3cret") && !said.contains("0123"), "{said}");
        }
    }
}
