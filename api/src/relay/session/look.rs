//! A look at the database for what is due, beside everything else that a session does.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use queue::{Depth, Error};
use sea_orm::DbErr;

use super::super::sweep::{Found, Sweep};

/// A look under way.
pub(super) type Looking = BoxFuture<'static, Looked>;

/// What a look is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Everything,
    /// Somebody has said that some are due.
    Retries,
}

/// A look that is over.
pub(super) struct Looked {
    pub(super) sweep: Sweep,
    pub(super) what: For,
    pub(super) took: Duration,
    pub(super) found: Result<Found, LookError>,
}

/// Why a look has found nothing.
pub(super) enum LookError {
    Queue(Error),
    Database(DbErr),
}

/// Looks, for everything once `depth` has said how many messages wait.
pub(super) async fn look(
    mut sweep: Sweep,
    what: For,
    depth: impl Future<Output = Result<Depth, Error>>,
) -> Looked {
    let began = Instant::now();
    let found = match what {
        For::Retries => sweep.look_for_retries().await.map_err(LookError::Database),
        For::Everything => match depth.await {
            Ok(depth) => (sweep.look(depth.ready).await).map_err(LookError::Database),
            Err(error) => Err(LookError::Queue(error)),
        },
    };
    Looked {
        sweep,
        what,
        took: began.elapsed(),
        found,
    }
}

/// Waits for the look under way; for ever if there is none.
pub(super) async fn look_of(looking: &mut Option<Looking>) -> Looked {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}
