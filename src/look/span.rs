//! What a span of time is asked for, as over HTTP.

use api::FieldError;

use super::times;
use crate::config::BadSetting;

/// A time, or how long ago it was, as it is asked for over HTTP.
pub fn at(text: &str) -> Result<String, &'static str> {
    times::ago_or_at(text).map(times::rfc3339)
}

/// The parameters that have a value.
pub fn given<'a>(
    all: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let all = all.into_iter();
    all.filter_map(|(name, value)| Some((name, value?)))
}

/// All that is wrong, by the names of the flags.
pub fn bad(errors: Vec<FieldError>) -> BadSetting {
    let errors = errors.iter();
    let errors = errors.map(|error| format!("--{} {}", error.field, error.reason));
    BadSetting(errors.collect::<Vec<_>>().join("; "))
}
