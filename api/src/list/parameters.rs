//! What a page can be asked for: the names, and what the OpenAPI document says of each.

use entity::name;
use poem_openapi::registry::{MetaOperationParam, MetaParamIn, MetaSchema, MetaSchemaRef};
use serde_json::Value;

use crate::{cursor, wire::AMOUNT_PATTERN};

/// Transactions on a page, if nothing is said.
pub(super) const LIMIT: usize = 50;
/// The most that a page may have.
pub(super) const LIMIT_MAX: usize = 200;

/// A parameter's name, the type of its values, an example, and what it means.
struct Parameter {
    name: &'static str,
    ty: Type,
    example: &'static str,
    description: &'static str,
}

enum Type {
    /// One that matches this regular expression.
    Text(&'static str),
    /// 1 to 255 characters.
    Name,
    /// What it is made of is said wherever it stands.
    Known,
    Status,
    Time,
    Limit,
}

const fn parameter(
    name: &'static str,
    ty: Type,
    example: &'static str,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        ty,
        example,
        description,
    }
}

const ALL: [Parameter; 10] = [
    parameter(
        "status",
        Type::Status,
        "FAILED",
        "Where the transactions are in their lives.",
    ),
    parameter(
        "source",
        Type::Known,
        "stripe",
        "The name of their source; `transactions` is the built-in one.",
    ),
    parameter(
        "type",
        Type::Name,
        "charge.succeeded",
        "The sender's word for what has happened. The built-in source has none.",
    ),
    parameter(
        "account",
        Type::Name,
        "acc_user_1",
        "An account that pays or receives.",
    ),
    parameter(
        "amount",
        Type::Text(AMOUNT_PATTERN),
        "1500",
        "The amount: equal in value, so `1500` finds `1500.00`.",
    ),
    parameter("currency", Type::Known, "INR", "Three capital letters."),
    parameter(
        "from",
        Type::Time,
        "2024-01-15T10:30:00Z",
        "Received at this time or later (RFC 3339), by the clock of the machine that received them, to the millisecond.",
    ),
    parameter(
        "to",
        Type::Time,
        "2024-01-16T00:00:00Z",
        "Received before this time.",
    ),
    parameter("limit", Type::Limit, "50", "How many at most."),
    parameter(
        "cursor",
        Type::Text(cursor::PATTERN),
        "AQGNDLrgQHAAgAAAAAAAAAA",
        "The `next_cursor` of the page before. Leave the other parameters as they were.",
    ),
];

/// All names.
pub(super) const NAMES: [&str; ALL.len()] = {
    let mut names = [""; ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = ALL[index].name;
        index += 1;
    }
    names
};

/// The parameters, as the OpenAPI document has them.
pub(crate) fn document() -> impl Iterator<Item = MetaOperationParam> {
    ALL.iter().map(|parameter| parameter.document(false))
}

/// Those of them that say which transactions of a span are wanted, which must have a beginning and an end.
pub(crate) fn filter() -> impl Iterator<Item = MetaOperationParam> {
    let filter = ALL
        .iter()
        .filter(|parameter| !matches!(parameter.name, "limit" | "cursor"));
    filter.map(|parameter| parameter.document(matches!(parameter.ty, Type::Time)))
}

/// Those of them that say when.
pub(crate) fn span() -> impl Iterator<Item = MetaOperationParam> {
    let times = ALL
        .iter()
        .filter(|parameter| matches!(parameter.ty, Type::Time));
    times.map(|parameter| parameter.document(true))
}

/// Another parameter, a text.
pub(crate) fn text(
    name: &'static str,
    pattern: &'static str,
    example: &'static str,
    description: &'static str,
) -> MetaOperationParam {
    parameter(name, Type::Text(pattern), example, description).document(false)
}

impl Parameter {
    fn document(&self, required: bool) -> MetaOperationParam {
        MetaOperationParam {
            name: self.name.to_owned(),
            schema: MetaSchemaRef::Inline(Box::new(self.schema())),
            in_type: MetaParamIn::Query,
            description: Some(self.description.to_owned()),
            required,
            deprecated: false,
            explode: true,
            style: None,
        }
    }

    fn schema(&self) -> MetaSchema {
        let example = Some(Value::from(self.example));
        match self.ty {
            Type::Text(pattern) => MetaSchema {
                example,
                pattern: Some(pattern.into()),
                ..MetaSchema::new("string")
            },
            Type::Name => MetaSchema {
                example,
                min_length: Some(1),
                max_length: Some(name::CHARS_MAX),
                pattern: Some(name::PATTERN.into()),
                ..MetaSchema::new("string")
            },
            Type::Known => MetaSchema {
                example,
                ..MetaSchema::new("string")
            },
            Type::Status => MetaSchema {
                example,
                enum_items: ["PROCESSING", "PROCESSED", "FAILED"]
                    .map(Value::from)
                    .into(),
                ..MetaSchema::new("string")
            },
            Type::Time => MetaSchema {
                example,
                ..MetaSchema::new_with_format("string", "date-time")
            },
            Type::Limit => MetaSchema {
                default: Some(LIMIT.into()),
                minimum: Some(1.0),
                maximum: Some(LIMIT_MAX as f64),
                ..MetaSchema::new_with_format("integer", "int32")
            },
        }
    }
}
