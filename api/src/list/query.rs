//! What a page is asked for, read from names and values. What is not understood is refused: a filter that is passed over would
//! show what nobody has asked for.

use std::{collections::HashMap, fmt::Display};

use entity::{
    Status,
    lifecycle::{
        Range,
        list::{Filter, first_id},
    },
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::parameters::{self, LIMIT, LIMIT_MAX};
use crate::{cursor, problem::FieldError};

/// Which transactions a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub filter: Filter,
    pub range: Range,
    /// How many at most.
    pub limit: usize,
}

/// Reads a query from its parameters. Fails with all that is wrong, each to be read behind its parameter's name.
pub fn parse<N, V>(parameters: impl IntoIterator<Item = (N, V)>) -> Result<Query, Vec<FieldError>>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut given = Given::of(&parameters::NAMES, parameters);
    let (filter, from, to) = filter(&mut given);
    let limit = given.read("limit", limit).unwrap_or(LIMIT);
    let cursor = given.read("cursor", cursor);
    if !given.is_right() {
        return Err(given.errors());
    }
    let to = to.map_or(Uuid::max(), first_id);
    let range = Range {
        from: from.map_or(Uuid::nil(), first_id),
        to: cursor.map_or(to, |cursor| cursor.min(to)),
    };
    Ok(Query {
        filter,
        range,
        limit,
    })
}

/// Which transactions of a span are exported, read from its parameters, which must have a beginning and an end.
pub(crate) fn parse_span<N, V>(
    names: &'static [&'static str],
    parameters: impl IntoIterator<Item = (N, V)>,
) -> (Given, Option<(Filter, Range)>)
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut given = Given::of(names, parameters);
    let (filter, ..) = filter(&mut given);
    let span = given.span().filter(|_| given.is_right());
    let range = span.map(|(from, to)| Range {
        from: first_id(from),
        to: first_id(to),
    });
    (given, range.map(|range| (filter, range)))
}

/// What transactions have in common, and from when to when they were received.
fn filter(given: &mut Given) -> (Filter, Option<OffsetDateTime>, Option<OffsetDateTime>) {
    let filter = Filter {
        status: given.read("status", status),
        source: given.read("source", str::parse),
        kind: given.read("type", str::parse),
        account: given.read("account", str::parse),
        amount: given.read("amount", str::parse),
        currency: given.read("currency", str::parse),
    };
    let from = given.read(FROM, time);
    let to = given.read(TO, time);
    if from.is_some_and(|from| to.is_some_and(|to| to <= from)) {
        given.wrong(TO, "must be later than from");
    }
    if filter.kind.is_some() && filter.source.as_ref().is_some_and(|s| s.is_built_in()) {
        let reason = "must be left out where source is transactions, which has no types";
        given.wrong("type", reason);
    }
    (filter, from, to)
}

/// The names of a span's beginning and end.
pub(crate) const FROM: &str = "from";
pub(crate) const TO: &str = "to";

/// What has been given, and what is wrong with it.
pub(crate) struct Given {
    /// What may be given.
    names: &'static [&'static str],
    values: HashMap<&'static str, String>,
    errors: Vec<FieldError>,
}

impl Given {
    pub(crate) fn of<N, V>(
        names: &'static [&'static str],
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut given = Self {
            names,
            values: HashMap::new(),
            errors: Vec::new(),
        };
        for (name, value) in parameters {
            given.take(name.as_ref(), value.as_ref());
        }
        given
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_right(&self) -> bool {
        self.errors.is_empty()
    }

    pub(crate) fn errors(self) -> Vec<FieldError> {
        self.errors
    }

    pub(crate) fn has(&self, name: &'static str) -> bool {
        self.values.contains_key(name)
    }

    /// A span of time that has a beginning and an end.
    pub(crate) fn span(&mut self) -> Option<(OffsetDateTime, OffsetDateTime)> {
        for name in [FROM, TO] {
            if !self.has(name) {
                self.wrong(name, "must be there");
            }
        }
        let (from, to) = (self.read(FROM, time), self.read(TO, time));
        let (from, to) = (from?, to?);
        if to <= from {
            self.wrong(TO, "must be later than from");
        }
        Some((from, to))
    }

    fn take(&mut self, name: &str, value: &str) {
        match self.names.iter().find(|known| **known == name) {
            Some(&known) => {
                if self.values.insert(known, value.to_owned()).is_some() {
                    self.wrong(known, "must stand there once");
                }
            }
            // What has been given for a name may be anything, and is not repeated.
            None => self.wrong(
                "",
                format!("must have no parameters but {}", self.names.join(", ")),
            ),
        }
    }

    pub(crate) fn read<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(self.values.get(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, error.to_string());
                None
            }
        }
    }

    pub(crate) fn wrong(&mut self, name: &'static str, reason: impl Into<String>) {
        if !self.errors.iter().any(|error| error.field == name) {
            self.errors.push(FieldError::new(name, reason));
        }
    }
}

fn status(text: &str) -> Result<Status, &'static str> {
    match text {
        "PROCESSING" => Ok(Status::Processing),
        "PROCESSED" => Ok(Status::Processed),
        "FAILED" => Ok(Status::Failed),
        _ => Err("must be one of PROCESSING, PROCESSED, FAILED"),
    }
}

/// A time in a query.
pub(crate) fn time(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(
        |_| "must be a time such as 2024-01-15T10:30:00Z (RFC 3339; in a URL + is written %2B)",
    )
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| format!("must be a whole number from 1 to {LIMIT_MAX}"))
}

fn cursor(text: &str) -> Result<Uuid, &'static str> {
    cursor::decode(text).ok_or("must be the next_cursor of a page, unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(query: &str) -> Vec<(&'static str, String)> {
        let errors = parse(form_urlencoded::parse(query.as_bytes())).unwrap_err();
        let errors = errors.into_iter();
        errors.map(|error| (error.field, error.reason)).collect()
    }

    fn right(query: &str) -> Query {
        parse(form_urlencoded::parse(query.as_bytes())).unwrap()
    }

    #[test]
    fn nothing_asks_for_the_newest_fifty() {
        let query = right("");
        assert_eq!(query.filter, Filter::default());
        assert_eq!(
            (query.range.from, query.range.to),
            (Uuid::nil(), Uuid::max())
        );
        assert_eq!(query.limit, 50);
    }

    #[test]
    fn every_parameter_says_something() {
        let cursor = cursor::encode(Uuid::from_u128(1 << 100));
        let query = right(&format!(
            "status=FAILED&source=stripe&type=a+b&account=%27%3B%20DROP&amount=-10.50&currency=EUR&from=1970-01-01T00:00:00.001Z\
             &to=2024-01-15T10:30:00%2B01:00&limit=200&cursor={cursor}"
        ));
        let filter = query.filter;
        assert_eq!(filter.status, Some(Status::Failed));
        assert_eq!(filter.source.unwrap().as_ref(), "stripe");
        assert_eq!(filter.kind.unwrap().as_ref(), "a b");
        assert_eq!(filter.account.unwrap().as_ref(), "'; DROP");
        assert_eq!(filter.amount.unwrap().to_string(), "-10.5");
        assert_eq!(filter.currency.unwrap().as_ref(), "EUR");
        assert_eq!(query.range.from, Uuid::from_u128(1 << 80));
        assert_eq!(query.range.to, Uuid::from_u128(1 << 100));
        assert_eq!(query.limit, 200);
        // The earlier of both ends.
        let query = right(&format!("to=1970-01-01T00:00:00.001Z&cursor={cursor}"));
        assert_eq!(query.range.to, Uuid::from_u128(1 << 80));
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        let errors = wrong(
            "status=failed&source=A&type=&account=a%00b&amount=1e&currency=inr&from=2024-01-15&to=2024-01-15T10:30:00+01:00\
             &limit=0&cursor=x",
        );
        let fields: Vec<&str> = errors.iter().map(|(field, _)| *field).collect();
        assert_eq!(
            fields,
            [
                "status", "source", "type", "account", "amount", "currency", "from", "to", "limit",
                "cursor"
            ]
        );
        for (_, reason) in errors {
            assert!(reason.starts_with("must "), "{reason}");
        }
        for limit in ["201", "-1", "1.5", "", "99999999999999999999"] {
            let [(field, _)] = wrong(&format!("limit={limit}")).try_into().unwrap();
            assert_eq!(field, "limit");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (query, field) in [
            ("from=2024-01-15T10:30:00Z&to=2024-01-15T10:30:00Z", "to"),
            ("source=transactions&type=charge.succeeded", "type"),
            ("status=FAILED&status=PROCESSED", "status"),
            ("status=FAILED&status=FAILED", "status"),
        ] {
            let [(name, _)] = wrong(query).try_into().unwrap();
            assert_eq!(name, field, "{query}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_and_not_repeated() {
        let [(field, reason)] = wrong("stauts=FAILED&%3Cb%3E=1").try_into().unwrap();
        assert_eq!(field, "");
        assert!(
            reason.starts_with("must have no parameters but status, source"),
            "{reason}"
        );
        assert!(!reason.contains("stauts") && !reason.contains('<'));
    }
}
