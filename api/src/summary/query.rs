//! What a summary is asked for.

use entity::lifecycle::{Range, list::first_id};
use poem_openapi::registry::MetaOperationParam;
use time::OffsetDateTime;

use crate::{
    list::{self, Given},
    problem::FieldError,
};

/// The names of the parameters.
const BY: &str = "by";

/// Which transactions are counted, and which of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    pub by: By,
    pub from: OffsetDateTime,
    pub to: OffsetDateTime,
    pub range: Range,
}

/// What transactions that are counted together have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    pub source: bool,
    pub currency: bool,
    pub status: bool,
}

/// Reads a query from its parameters. Fails with all that is wrong.
pub fn parse<N, V>(parameters: impl IntoIterator<Item = (N, V)>) -> Result<Query, Vec<FieldError>>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut given = Given::of(&[BY, list::FROM, list::TO], parameters);
    let by = match given.has(BY) {
        true => given.read(BY, by),
        false => Some(By::ALL),
    };
    let span = given.span();
    match (by, span) {
        (Some(by), Some((from, to))) if given.is_right() => Ok(Query {
            by,
            from,
            to,
            range: Range {
                from: first_id(from),
                to: first_id(to),
            },
        }),
        _ => Err(given.errors()),
    }
}

impl By {
    const ALL: Self = Self {
        source: true,
        currency: true,
        status: true,
    };
}

fn by(text: &str) -> Result<By, &'static str> {
    let mut by = By::default();
    for name in text.split(',') {
        let is_named = match name {
            "source" => &mut by.source,
            "currency" => &mut by.currency,
            "status" => &mut by.status,
            _ => return Err(BY_MUST),
        };
        if std::mem::replace(is_named, true) {
            return Err(BY_MUST);
        }
    }
    Ok(by)
}

const BY_MUST: &str = "must be one or more of source, currency, status, with commas between them";

/// The parameters, as the OpenAPI document has them.
pub(crate) fn document() -> impl Iterator<Item = MetaOperationParam> {
    let by = list::text(
        BY,
        r"^(source|currency|status)(,(source|currency|status)){0,2}$",
        "source,currency,status",
        "What is counted apart: one or more of `source`, `currency` and `status`, with commas between them; all of them if \
         it is left out.",
    );
    [by].into_iter().chain(list::span())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: &str = "from=2024-01-15T00:00:00Z&to=2024-01-16T00:00:00Z";

    fn read(query: &str) -> Result<Query, Vec<FieldError>> {
        parse(form_urlencoded::parse(query.as_bytes()))
    }

    #[test]
    fn what_is_counted_apart_is_named() {
        assert_eq!(read(SPAN).unwrap().by, By::ALL);
        let by = read(&format!("by=status,source&{SPAN}")).unwrap().by;
        assert!(by.source && by.status && !by.currency);
        for by in ["", "status,", "amount", "status,status", "source currency"] {
            let errors = read(&format!("by={by}&{SPAN}")).unwrap_err();
            assert_eq!(errors[0].field, "by", "{by}");
        }
    }

    #[test]
    fn a_summary_has_a_beginning_and_an_end() {
        for (query, field) in [
            ("to=2024-01-16T00:00:00Z", "from"),
            ("from=2024-01-16T00:00:00Z", "to"),
            ("from=2024-01-16T00:00:00Z&to=2024-01-16T00:00:00Z", "to"),
            ("from=yesterday&to=2024-01-16T00:00:00Z", "from"),
        ] {
            let errors = read(query).unwrap_err();
            assert_eq!(errors[0].field, field, "{query}");
        }
        let errors = read(&format!("{SPAN}&limit=5")).unwrap_err();
        assert!(
            errors[0]
                .reason
                .starts_with("must have no parameters but by, from, to")
        );
    }
}
