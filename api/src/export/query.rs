//! What an export is asked for.

use entity::lifecycle::{Range, list::Filter};
use poem_openapi::registry::MetaOperationParam;

use super::Format;
use crate::{list, problem::FieldError};

const FORMAT: &str = "format";
/// What may be given.
const NAMES: [&str; 9] = [
    FORMAT, "status", "source", "type", "account", "amount", "currency", "from", "to",
];

/// Which transactions are exported, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub format: Format,
    pub filter: Filter,
    pub range: Range,
}

/// Reads a query from its parameters. Fails with all that is wrong.
pub fn parse<N, V>(parameters: impl IntoIterator<Item = (N, V)>) -> Result<Query, Vec<FieldError>>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let (mut given, which) = list::parse_span(&NAMES, parameters);
    let format = match given.has(FORMAT) {
        true => given.read(FORMAT, format),
        false => Some(Format::JsonLines),
    };
    match (format, which) {
        (Some(format), Some((filter, range))) if given.is_right() => Ok(Query {
            format,
            filter,
            range,
        }),
        _ => Err(given.errors()),
    }
}

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "csv" => Ok(Format::Csv),
        "jsonl" => Ok(Format::JsonLines),
        _ => Err("must be one of csv, jsonl"),
    }
}

/// The parameters, as the OpenAPI document has them.
pub(crate) fn document() -> impl Iterator<Item = MetaOperationParam> {
    let format = list::text(
        FORMAT,
        "^(csv|jsonl)$",
        "csv",
        "How the file is written: `csv`, or one JSON object a line (`jsonl`), which it is if it is left out. In CSV a text \
         that a spreadsheet would take for a formula has an apostrophe before it.",
    );
    [format].into_iter().chain(list::filter())
}
