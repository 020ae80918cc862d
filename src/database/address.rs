//! Where the database is: what `DATABASE_URL` says, checked, and in one form that cannot be misread.
//!
//! The library takes a parameter that it does not know for nothing and writes its value into the log, and a `PG…` variable
//! that is wrong for one that is not set. So every part of an address is read here: it is understood, it is refused with what
//! would be right, or it is named in a warning. What comes out never leaves anything to the library's own guesses.

mod parameters;
mod password_file;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{
    fmt::{Display, Formatter},
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::percent_decode_str;

/// A checked address. It holds the password, so it has no `Debug`; its `Display` says where the database is, and is for logs.
#[derive(Clone)]
pub struct Address {
    url: String,
    place: Place,
    notes: Vec<String>,
    filled_in: Vec<&'static str>,
}

/// What may be told of an address.
#[derive(Clone)]
enum Place {
    Sqlite {
        path: PathBuf,
        must_exist: bool,
    },
    Postgres {
        /// As an address has it: `db.example:5432`, `[::1]:5432`, or a folder of sockets.
        server: String,
        database: String,
        connect_within: Duration,
    },
}

impl Address {
    /// Reads the value of `DATABASE_URL`, and the `PG…` variables where it leaves something out. Fails with what would be
    /// right, to be read behind the variable's name, and without the value: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_with(text, environment)
    }

    fn parse_with(
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        no_control_characters(text)?;
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite::parse(rest),
            "postgres" | "postgresql" if rest.starts_with("//") => {
                postgres::parse(&rest[2..], environment)
            }
            _ => Err("must begin with sqlite:, postgres:// or postgresql://".into()),
        }
    }

    /// The address for the library, complete. With the password, so nothing for a log.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is a SQLite file's.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite { .. })
    }

    /// The SQLite file that must be there already, because `mode=rw` makes none.
    pub fn must_exist(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite { path, must_exist } => must_exist.then_some(path),
            Place::Postgres { .. } => None,
        }
    }

    /// PostgreSQL's database; nothing for a SQLite file.
    pub fn database(&self) -> &str {
        match &self.place {
            Place::Sqlite { .. } => "",
            Place::Postgres { database, .. } => database,
        }
    }

    /// How long the first connection may take, TLS and login included.
    pub fn connect_within(&self) -> Duration {
        match &self.place {
            Place::Sqlite { .. } => Duration::ZERO,
            Place::Postgres { connect_within, .. } => *connect_within,
        }
    }

    /// Tells the log what of the address has no effect, and which variables fill it in. Once, at the start.
    pub fn tell(&self) {
        for note in &self.notes {
            tracing::warn!("DATABASE_URL: {note}");
        }
        if !self.filled_in.is_empty() {
            let variables = self.filled_in.join(", ");
            tracing::info!("DATABASE_URL: what it leaves out is taken from {variables}");
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Sqlite { path, .. } => write!(f, "SQLite {}", path.display()),
            Place::Postgres {
                server, database, ..
            } => write!(f, "PostgreSQL {server}/{database}"),
        }
    }
}

/// A variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "PostgreSQL's own variables, which are parts of the address"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn no_control_characters(text: &str) -> Result<(), String> {
    match text.chars().any(char::is_control) {
        true => Err("must have no control characters in it".into()),
        false => Ok(()),
    }
}

/// `%41` is `A`; a `%` with no two digits behind it is itself, as libraries have always let it pass in passwords.
fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| "must be UTF-8 in what is written with %")?;
    no_control_characters(&decoded)?;
    Ok(decoded.into_owned())
}

/// `NAME=VALUE&…`, decoded.
fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            // What cannot be a name may be the end of a password, and is not to be shown.
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
            match !name.is_empty() && name.chars().all(is_name) && pair.contains('=') {
                true => Ok((name, decode(value)?)),
                false => Err(
                    "must have NAME=VALUE, joined by &, behind its ?; a ? in a password is written %3F"
                        .into(),
                ),
            }
        })
        .collect()
}

/// The note about parameters that have no effect.
fn without_effect(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("without effect: {}", names.join(", ")))
}
