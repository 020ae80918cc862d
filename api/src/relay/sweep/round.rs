//! A way through the outbox, or the retries, that has an end.

use entity::lifecycle::{Look, Pass, Range};
use sea_orm::DbErr;

/// A pass over everything that was there when it began. What has come since is none of its business: it would never end.
pub(super) struct Round {
    pub(super) pass: Pass,
    /// When it began, in milliseconds since 1970.
    end: u64,
}

impl Round {
    pub(super) fn new() -> Self {
        Self {
            pass: Pass::default(),
            end: Pass::now(),
        }
    }

    pub(super) fn range(&self) -> Option<Range> {
        self.pass.range(self.end)
    }

    pub(super) fn restart(&mut self) {
        self.pass.restart();
        self.end = Pass::now();
    }
}

/// What a look has claimed. After one that failed the next reads less.
pub(super) fn claimed(pass: &mut Pass, look: Result<Look, DbErr>) -> Result<Look, DbErr> {
    if look.is_err() {
        pass.failed();
    }
    look
}
