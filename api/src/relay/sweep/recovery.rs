//! After the queue has lost what it had: everything that had been published is published again.

use std::time::{Duration, Instant};

use entity::lifecycle::due::{self, Limits, Wanted};
use sea_orm::{DatabaseConnection, DbErr};

use super::{
    super::hints::DUE_IN,
    found::{CLAIM_MAX, Found},
    round::{Round, claimed},
};

/// A recovery reads what it passes as fast as it can.
const LIMITS: Limits = Limits {
    read: 50_000,
    claim: CLAIM_MAX,
};

/// Everything that was there when the queue turned out to be new.
pub(super) struct Recovery {
    round: Round,
    /// What is about to be published anyway is left alone.
    not_within: Duration,
}

impl Recovery {
    /// Where the queue is inside this process, nobody else publishes.
    pub(super) fn begin(embedded: bool) -> Self {
        Self {
            round: Round::new(),
            not_within: match embedded {
                true => Duration::ZERO,
                false => DUE_IN,
            },
        }
    }

    /// Returns whether it has come to its end.
    pub(super) async fn look(
        &mut self,
        db: &DatabaseConnection,
        found: &mut Found,
    ) -> Result<bool, DbErr> {
        let more_retries = due::republish_retries(db, self.not_within).await?;
        found.more |= more_retries;
        let Some(range) = self.round.range() else {
            return Ok(!more_retries);
        };
        found.more = true;
        let lost = Wanted::Published {
            not_within: self.not_within,
        };
        let began = Instant::now();
        let look = due::claim(db, range, lost, LIMITS, DUE_IN).await;
        let look = claimed(&mut self.round.pass, look)?;
        (self.round.pass).looked(range, &look, LIMITS.read, began.elapsed());
        found.entries.extend(look.ids);
        Ok(false)
    }
}
