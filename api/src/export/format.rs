//! Transactions as lines of a file.

use entity::{failure, transaction::Model};
use sea_orm::ActiveEnum as _;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{list::Found, wire::SourceTransaction};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// What each is, in the order above.
pub(crate) const CONTENT_TYPES: [&str; 2] = ["text/csv", "application/jsonl"];

const COLUMNS: [&str; 12] = [
    "source",
    "transaction_id",
    "type",
    "source_account",
    "destination_account",
    "amount",
    "currency",
    "status",
    "created_at",
    "processed_at",
    "verdict",
    "reason",
];

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl",
        }
    }

    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "transactions.csv",
            Self::JsonLines => "transactions.jsonl",
        }
    }

    /// What stands before all else.
    pub(super) fn begin(self, text: &mut String) {
        if self == Self::Csv {
            text.push_str(&COLUMNS.join(","));
            text.push_str("\r\n");
        }
    }

    pub(super) fn write(self, text: &mut String, found: Found) {
        let Found { page, mut failures } = found;
        for row in page.rows {
            let failure = failures.remove(&row.id);
            match self {
                Self::Csv => csv(text, &row, failure.as_ref()),
                Self::JsonLines => {
                    let line = SourceTransaction::new(row, None, failure);
                    // It is made of texts and numbers, which always can be written.
                    text.push_str(&serde_json::to_string(&line).unwrap_or_default());
                    text.push('\n');
                }
            }
        }
    }
}

fn csv(text: &mut String, row: &Model, failure: Option<&failure::Model>) {
    fn of<T: AsRef<str>>(field: &Option<T>) -> &str {
        field.as_ref().map_or("", AsRef::as_ref)
    }
    let amount = row.amount.map(|amount| amount.to_string());
    let [created_at, processed_at] = [Some(row.created_at), row.processed_at].map(|at| {
        let at = at.map(|at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default());
        at.unwrap_or_default()
    });
    let verdict = failure.map(|failure| failure.verdict.to_value());
    let verdict = verdict.unwrap_or_default();
    let fields = [
        (row.source.as_ref(), true),
        (row.transaction_id.as_ref(), true),
        (of(&row.kind), true),
        (of(&row.source_account), true),
        (of(&row.destination_account), true),
        (amount.as_deref().unwrap_or_default(), false),
        (of(&row.currency), true),
        (&row.status.to_value(), false),
        (&created_at, false),
        (&processed_at, false),
        (&verdict, false),
        (failure.map_or("", |failure| &failure.reason), true),
    ];
    for (index, (field, is_text)) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_field(text, field, is_text);
    }
    text.push_str("\r\n");
}

/// A field, in quotation marks where it needs them. A text from outside that a spreadsheet would take for a formula gets an
/// apostrophe before it, which spreadsheets take for "this is text": an account may be named by whoever pays.
fn write_field(text: &mut String, field: &str, is_text: bool) {
    let is_formula = is_text && field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    match field.contains([',', '"', '\r', '\n']) {
        true => {
            text.push('"');
            text.push_str(guard);
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        }
        false => {
            text.push_str(guard);
            text.push_str(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_never_a_formula() {
        for (field, is_text, written) in [
            ("acc_1", true, "acc_1"),
            ("a,b", true, "\"a,b\""),
            ("say \"no\"", true, "\"say \"\"no\"\"\""),
            ("=HYPERLINK(\"x\",1)", true, "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("@SUM(A1)", true, "'@SUM(A1)"),
            ("-10.5", false, "-10.5"),
            ("", true, ""),
        ] {
            let mut text = String::new();
            write_field(&mut text, field, is_text);
            assert_eq!(text, written);
        }
    }
}
