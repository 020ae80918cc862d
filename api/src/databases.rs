//! What the API is given to keep and find transactions in.

use sea_orm::DatabaseConnection;

use crate::{FileWatch, Slots};

/// Where the API keeps and finds transactions.
#[derive(Clone)]
pub struct Databases {
    /// For the group commit and the relay.
    pub write: DatabaseConnection,
    /// For look-ups. May be the same.
    pub read: DatabaseConnection,
    /// Batches that may be committed at the same time.
    pub slots: Slots,
    /// The SQLite file that both are in, if they are. Nobody is answered with 202 unless it is in its place.
    pub file: Option<FileWatch>,
}
