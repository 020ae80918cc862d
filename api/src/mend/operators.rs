//! Who changes something, and on which connection.

use std::{sync::Arc, time::Duration};

use entity::lifecycle::operate::{By, Reason};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::Semaphore;

use crate::access::MayChange;

/// Of the writers' connections, what operators have at once: webhooks keep theirs.
const AT_ONCE: usize = 2;
/// From the request to the commit. What has not come to its end then goes on, and nobody waits for it.
pub(super) const WITHIN: Duration = Duration::from_secs(5);
/// The same where every failure is looked at.
pub(super) const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// Does what operators ask for. Clones share what they may have at once.
#[derive(Clone)]
pub(crate) struct Operators {
    write: DatabaseConnection,
    turn: Arc<Semaphore>,
}

impl Operators {
    /// On connections of the writers.
    pub(crate) fn new(write: DatabaseConnection) -> Self {
        Self {
            write,
            turn: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Does something that changes rows. It comes to its end whether or not somebody still waits for it: a write must not be
    /// dropped half-way.
    pub(super) async fn act<T: Send + 'static, F>(
        &self,
        within: Duration,
        act: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let (turn, act) = (self.turn.clone(), act(self.write.clone()));
        let acting = tokio::spawn(async move {
            let _turn = turn.acquire().await;
            act.await
        });
        match tokio::time::timeout(within, acting).await {
            Ok(Ok(done)) => done,
            Ok(Err(panicked)) => Err(DbErr::Custom(panicked.to_string())),
            Err(_) => Err(DbErr::Custom("no answer in time".into())),
        }
    }
}

/// Who it is, and why.
pub(super) fn by(may: &MayChange, reason: Reason) -> By {
    By {
        who: may.who.clone(),
        reason,
    }
}
