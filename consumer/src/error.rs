//! What no repetition mends.

use sea_orm::DbErr;
use thiserror::Error;

/// Why a consumer cannot go on.
#[derive(Debug, Error)]
pub enum Error {
    /// Two processes with a queue of their own would each publish what the other has.
    #[error(
        "DATABASE_URL: another hookline whose queue is inside the process uses this database; \
         give both the same AMQP_URL or stop one"
    )]
    Taken,
    /// A privilege or a column is missing, say: waiting does not help.
    #[error("DATABASE_URL: the database refuses what a consumer must do: {0}")]
    Database(DbErr),
    /// A defect of ours.
    #[error("the consumer's lease has ended")]
    Stopped,
    /// A defect of ours.
    #[error("the consumer failed: {0}")]
    Failed(tokio::task::JoinError),
}
