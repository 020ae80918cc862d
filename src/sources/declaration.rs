//! A source as somebody has declared it: its settings, and where its secrets are.

use std::{path::PathBuf, sync::Arc, time::Duration};

use source::Settings;

/// How long a body may be where nothing else is said, in bytes.
pub const BODY_BYTES: usize = 1024 * 1024;
/// The built-in source's bodies are never longer.
pub const BODY_BYTES_BUILT_IN: usize = 64 * 1024;

#[derive(Clone)]
pub struct Declaration {
    pub name: String,
    pub origin: Origin,
    /// Whose `preset` or `verify` is set.
    pub settings: Settings,
    pub secrets: Vec<Reference>,
    /// Whether a file of `secrets` holds several, each on a line.
    pub has_lines: bool,
    pub certificates: Vec<Reference>,
    pub verify_token: Option<Reference>,
    pub public_url: Option<String>,
    pub silent_after: Option<Duration>,
    pub body_bytes_max: usize,
}

/// Where a source was declared.
#[derive(Clone, PartialEq, Eq)]
pub enum Origin {
    /// `SOURCES_FILE`.
    Document,
    /// Variables that begin so: `SOURCE_STRIPE`.
    Variables(String),
}

/// A setting, as it is called in a document and at the end of a variable's name.
pub type Key = (&'static str, &'static str);

pub const PRESET: Key = ("preset", "PRESET");
pub const SECRETS: Key = ("secrets", "SECRET");
pub const CERTIFICATES: Key = ("certificates", "CERTIFICATE_FILE");
pub const VERIFY_TOKEN: Key = ("verify_token", "VERIFY_TOKEN");
pub const PUBLIC_URL: Key = ("public_url", "PUBLIC_URL");
pub const SILENT_AFTER: Key = ("silent_after", "SILENT_AFTER");

impl Declaration {
    /// What a sentence about the whole source begins with.
    pub fn told(&self) -> String {
        match &self.origin {
            Origin::Document => in_document(&self.name),
            Origin::Variables(prefix) => format!("{prefix}_{}", SECRETS.1),
        }
    }

    /// What is said of its secrets if there is none.
    pub fn no_secret(&self) -> &'static str {
        match &self.origin {
            Origin::Document => "must name one: it has no secret",
            Origin::Variables(_) => {
                "must be set, or the same with _FILE at its end: it has no secret"
            }
        }
    }

    /// What a sentence about one of its settings begins with.
    pub fn told_key(&self, (key, suffix): Key) -> String {
        match &self.origin {
            Origin::Document => format!("{}: `{key}`", in_document(&self.name)),
            Origin::Variables(prefix) => format!("{prefix}_{suffix}"),
        }
    }
}

/// What a sentence about a source in `SOURCES_FILE` begins with.
pub fn in_document(name: &str) -> String {
    format!("SOURCES_FILE, source {name}")
}

/// Where a secret is, or a certificate.
#[derive(Clone)]
pub struct Reference {
    /// What a sentence about it begins with.
    pub told: String,
    pub kept: Kept,
}

#[derive(Clone)]
pub enum Kept {
    /// In the document itself: this is the secret.
    Here(Arc<str>),
    /// In the variable of this name.
    Variable(String),
    File {
        path: PathBuf,
        /// Whether it may be missing.
        is_optional: bool,
    },
}

/// The preset of a source for which none is said: the one of its name, if there is one.
pub fn preset_of(name: &str) -> Option<String> {
    if name == api::BUILT_IN {
        return Some("standard-webhooks".into());
    }
    let mut presets = source::descriptions();
    let is_preset = presets.any(|preset| preset.names.contains(&name));
    is_preset.then(|| name.to_owned())
}

/// Whether this can be the address under which a sender knows us. Its query is the sender's.
pub fn is_public_url(text: &str) -> bool {
    let rest = (text.strip_prefix("https://")).or_else(|| text.strip_prefix("http://"));
    let is_of_urls = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>');
    rest.is_some_and(|rest| !rest.starts_with(['/', ':']) && !rest.is_empty())
        && text.chars().all(is_of_urls)
}

/// Shorter ones would be told of every pause, and longer ones of nothing.
const SILENT_AFTER_MIN: Duration = Duration::from_secs(60);
const SILENT_AFTER_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long a source may be silent.
pub fn silent_after(text: &str) -> Option<Duration> {
    let length = humantime::parse_duration(text).ok()?;
    (SILENT_AFTER_MIN..=SILENT_AFTER_MAX)
        .contains(&length)
        .then_some(length)
}

/// What that must be.
pub const GOOD_SILENT_AFTER: &str =
    "must be a length of time from 1m to 365d, such as 30m, 6h or 2days";

/// What a public address must be.
pub const GOOD_PUBLIC_URL: &str = "must be the address by which the sender knows us, without a query, such as \
                                   https://pay.example.com/v1/webhooks/square";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_has_a_host_and_no_query() {
        for url in [
            "https://pay.example.com/v1/webhooks/square",
            "http://[::1]:8000/",
            "https://a",
        ] {
            assert!(is_public_url(url), "{url}");
        }
        for url in [
            "",
            "https://",
            "https:///a",
            "pay.example.com/square",
            "ftp://a",
            "https://a/?b=c",
            "https://a/#b",
            "https://a b",
            " https://a",
        ] {
            assert!(!is_public_url(url), "{url}");
        }
    }
}
