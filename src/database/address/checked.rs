//! An address that has been read.

use std::{
    fmt::{Display, Formatter},
    path::{Path, PathBuf},
    time::Duration,
};

/// A checked address. It holds the password, so it has no `Debug`; its `Display` says where the database is, and is for logs.
#[derive(Clone)]
pub struct Address {
    pub(super) url: String,
    pub(super) place: Place,
    pub(super) notes: Vec<String>,
    pub(super) filled_in: Vec<&'static str>,
}

/// What may be told of an address.
#[derive(Clone)]
pub(super) enum Place {
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

    /// The SQLite file; nothing for PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite { path, .. } => Some(path),
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
            tracing::warn!(event = "address_ignored", "DATABASE_URL: {note}");
        }
        if !self.filled_in.is_empty() {
            let variables = self.filled_in.join(", ");
            tracing::info!(
                event = "address_completed",
                "DATABASE_URL: what it leaves out is taken from {variables}"
            );
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
