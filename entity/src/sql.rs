//! How a list becomes one bound parameter, so that a statement has one text however long its list:
//! arrays on PostgreSQL, JSON on SQLite.

use std::borrow::Borrow;

use sea_orm::{DatabaseConnection, DbBackend, Statement, Value};
use uuid::Uuid;

/// Milliseconds since 1970 by the database's clock, as an SQL expression; computed once per statement.
pub(crate) fn now_millis(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => "(SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint)",
        _ => "(SELECT CAST(unixepoch('subsec') * 1000 AS integer))",
    }
}

/// The database's clock as a timestamp, as an SQL expression.
pub(crate) fn now(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => "clock_timestamp()",
        _ => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    }
}

/// The parameter of this number, milliseconds since 1970, as a timestamp. SQLite compares times as the texts that they are
/// kept as: to the millisecond, all of one length.
pub(crate) fn time_of(db: &DatabaseConnection, parameter: u8) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!("to_timestamp(${parameter}::bigint / 1000.0)"),
        _ => format!("strftime('%Y-%m-%dT%H:%M:%fZ', ${parameter} / 1000.0, 'unixepoch')"),
    }
}

/// `COLUMN is one of the ids in $1`, as an SQL condition; bind [`ids`].
pub(crate) fn is_one_of_the_ids(db: &DatabaseConnection, column: &str) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!("{column} = ANY($1)"),
        _ => format!("{column} IN (SELECT unhex(value) FROM json_each($1))"),
    }
}

/// `the outbox row's holder is $2`, as an SQL condition; with NULL bound, anybody's row will do.
pub(crate) fn is_held(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => "($2::uuid IS NULL OR holder = $2)",
        _ => "($2 IS NULL OR holder = $2)",
    }
}

/// `$2` as an id, as an SQL expression.
pub(crate) fn this_id(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => "$2::uuid",
        _ => "$2",
    }
}

/// At the end of a query for rows to change: leaves out those that another statement is changing.
/// SQLite has one writer, and so nothing to leave out.
pub(crate) fn skip_locked(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => "FOR UPDATE SKIP LOCKED",
        _ => "",
    }
}

/// The keys from `$1` on, as an SQL table `asked (source, transaction_id, place)`, the first at place 1; bind [`keys`].
pub(crate) fn asked_keys(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            "unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (source, transaction_id, place)"
        }
        _ => {
            "(SELECT value ->> 0 AS source, value ->> 1 AS transaction_id, key + 1 AS place FROM json_each($1)) AS asked"
        }
    }
}

/// Sources with an id each, as parameters.
pub(crate) fn keys<'a>(
    db: &DatabaseConnection,
    keys: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Value> {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let (sources, ids): (Vec<String>, Vec<String>) = keys
                .map(|(source, id)| (source.to_owned(), id.to_owned()))
                .unzip();
            vec![sources.into(), ids.into()]
        }
        _ => vec![json(keys.map(|(source, id)| {
            serde_json::Value::from(vec![serde_json::Value::from(source), id.into()])
        }))],
    }
}

/// `ID and NUMBER are one of the pairs from $2 on`, as an SQL condition; bind [`pairs`] there. On PostgreSQL without a join:
/// statistics from a moment at which hardly anything was there make one that takes seconds.
pub(crate) fn is_one_of_the_pairs(db: &DatabaseConnection, id: &str, number: &str) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            format!(
                "{id} = ANY($2::uuid[]) AND {number} = ($3::bigint[])[array_position($2::uuid[], {id})]"
            )
        }
        _ => format!(
            "({id}, {number}) IN (SELECT unhex(value ->> 0), value ->> 1 FROM json_each($2))"
        ),
    }
}

/// Ids with a number each, as parameters.
pub(crate) fn pairs(
    db: &DatabaseConnection,
    pairs: impl Iterator<Item = (Uuid, i64)>,
) -> Vec<Value> {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let (ids, numbers): (Vec<Uuid>, Vec<i64>) = pairs.unzip();
            vec![ids.into(), numbers.into()]
        }
        _ => vec![json(pairs.map(|(id, number)| {
            serde_json::Value::from(vec![
                serde_json::Value::from(id.simple().to_string()),
                number.into(),
            ])
        }))],
    }
}

/// Ids as one parameter.
pub(crate) fn ids(
    db: &DatabaseConnection,
    ids: impl IntoIterator<Item = impl Borrow<Uuid>>,
) -> Value {
    let ids = ids.into_iter();
    match db.get_database_backend() {
        DbBackend::Postgres => ids.map(|id| *id.borrow()).collect::<Vec<_>>().into(),
        _ => json(ids.map(|id| id.borrow().simple().to_string())),
    }
}

/// Anything listable as one JSON parameter.
pub(crate) fn json<T: Into<serde_json::Value>>(list: impl IntoIterator<Item = T>) -> Value {
    list.into_iter()
        .map(Into::into)
        .collect::<serde_json::Value>()
        .to_string()
        .into()
}

/// Bytes as SQLite's `unhex` reads them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| {
        [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]
    });
    digits.map(char::from).collect()
}

/// A statement with its parameters.
pub(crate) fn statement(
    db: &DatabaseConnection,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}
