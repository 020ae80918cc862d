//! Which failed transactions are meant, read from texts.

use std::fmt::Display;

use entity::{
    Verdict,
    lifecycle::operate::bulk::{Filter, RATE_MAX},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::problem::FieldError;

/// Characters of an error.
const ERROR_CHARS_MAX: usize = 1_000;
/// Transactions a second, if nobody says how many.
pub const RATE: u32 = 50;

/// What of a failed transaction is asked for, as somebody has written it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// `FAILED`: others cannot be retried.
    pub status: Option<String>,
    pub source: Option<String>,
    pub verdict: Option<String>,
    pub error: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// Reads a filter. Fails with all that is wrong, each to be read behind its name.
pub fn filter(written: Written) -> Result<Filter, Vec<FieldError>> {
    let mut errors = Vec::new();
    if written.status.is_some_and(|status| status != "FAILED") {
        errors.push(FieldError::new(
            "status",
            "must be FAILED, if it is there: nothing else can be retried",
        ));
    }
    let filter = Filter {
        source: read("source", written.source, &mut errors, |text| text.parse()),
        verdict: read("verdict", written.verdict, &mut errors, verdict),
        error: read("error", written.error, &mut errors, error),
        from: read("from", written.from, &mut errors, time),
        to: read("to", written.to, &mut errors, time),
    };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && to <= from
    {
        errors.push(FieldError::new("to", "must be later than from"));
    }
    match errors.is_empty() {
        true => Ok(filter),
        false => Err(errors),
    }
}

/// Checks how many transactions are retried a second.
pub fn rate(rate: u64) -> Result<u32, String> {
    let rate = u32::try_from(rate).ok();
    rate.filter(|rate| (1..=RATE_MAX).contains(rate))
        .ok_or_else(|| format!("must be a whole number from 1 to {RATE_MAX}"))
}

fn read<T, E: Display>(
    name: &'static str,
    text: Option<String>,
    errors: &mut Vec<FieldError>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match read(&text?) {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(FieldError::new(name, error.to_string()));
            None
        }
    }
}

fn verdict(text: &str) -> Result<Verdict, &'static str> {
    match text {
        "PERMANENT" => Ok(Verdict::Permanent),
        "EXHAUSTED" => Ok(Verdict::Exhausted),
        "POISON" => Ok(Verdict::Poison),
        "GIVEN_UP" => Ok(Verdict::GivenUp),
        _ => Err("must be one of PERMANENT, EXHAUSTED, POISON, GIVEN_UP"),
    }
}

fn error(text: &str) -> Result<String, &'static str> {
    let chars = text.chars().take(ERROR_CHARS_MAX + 1).count();
    match (1..=ERROR_CHARS_MAX).contains(&chars) {
        true => Ok(text.to_owned()),
        false => Err("must have 1 to 1000 characters"),
    }
}

/// A time, as everywhere.
pub(super) fn time(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "must be a time such as 2024-01-15T10:30:00Z (RFC 3339)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(written: Written) -> Vec<(&'static str, String)> {
        let errors = filter(written).unwrap_err().into_iter();
        errors.map(|error| (error.field, error.reason)).collect()
    }

    #[test]
    fn nothing_asks_for_all() {
        assert_eq!(filter(Written::default()).unwrap(), Filter::default());
    }

    #[test]
    fn every_member_says_something() {
        let read = filter(Written {
            status: Some("FAILED".into()),
            source: Some("stripe".into()),
            verdict: Some("GIVEN_UP".into()),
            error: Some("'; DROP TABLE failures; --".into()),
            from: Some("2024-01-15T10:30:00Z".into()),
            to: Some("2024-01-15T11:30:00.5+00:30".into()),
        });
        let read = read.unwrap();
        assert_eq!(read.source.unwrap().as_ref(), "stripe");
        assert_eq!(read.verdict, Some(Verdict::GivenUp));
        assert_eq!(read.error.unwrap(), "'; DROP TABLE failures; --");
        assert!(read.to.unwrap() > read.from.unwrap());
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        let errors = wrong(Written {
            status: Some("PROCESSED".into()),
            source: Some("Stripe".into()),
            verdict: Some("permanent".into()),
            error: Some(String::new()),
            from: Some("yesterday".into()),
            to: Some("2024-01-15".into()),
        });
        let names: Vec<&str> = errors.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["status", "source", "verdict", "error", "from", "to"]
        );
        for (_, reason) in errors {
            assert!(reason.starts_with("must "), "{reason}");
        }
        let [(name, _)] = wrong(Written {
            from: Some("2024-01-15T10:30:00Z".into()),
            to: Some("2024-01-15T10:30:00Z".into()),
            ..Written::default()
        })
        .try_into()
        .unwrap();
        assert_eq!(name, "to");
        let long = Written {
            error: Some("x".repeat(1 << 20)),
            ..Written::default()
        };
        assert_eq!(wrong(long).len(), 1);
    }

    #[test]
    fn a_rate_is_a_number_of_transactions_a_second() {
        for good in [1, 50, 10_000] {
            assert_eq!(rate(good), Ok(good as u32));
        }
        for bad in [0, 10_001, u64::MAX] {
            assert!(rate(bad).is_err());
        }
    }
}
