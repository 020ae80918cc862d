//! Webhooks that came long before the run: they have numbers of their own.

use std::ops::Range;

use super::Webhooks;

/// Their months, and how many there are in each.
pub(crate) const MONTHS: u32 = 11;
pub(crate) const OLD_A_MONTH: u32 = 16;
/// The first of their numbers: no run gets so far.
const FIRST: u32 = 1 << 30;

/// How one of them stood when the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    Processed,
    Failed,
    /// Unfinished, and due soon.
    InOutbox,
    /// The same.
    InRetries,
}

impl Was {
    pub(crate) fn is_unfinished(self) -> bool {
        matches!(self, Self::InOutbox | Self::InRetries)
    }

    /// The same, as the row had it.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Processed => "PROCESSED",
            Self::Failed => "FAILED",
            Self::InOutbox | Self::InRetries => "PROCESSING",
        }
    }
}

impl Webhooks {
    /// The numbers of those of a month, of which 0 is the youngest.
    pub(crate) fn of_month(month: u32) -> Range<u32> {
        let first = FIRST + month * OLD_A_MONTH;
        first..first + OLD_A_MONTH
    }

    /// The numbers of all of them.
    pub(crate) fn old() -> Range<u32> {
        FIRST..FIRST + MONTHS * OLD_A_MONTH
    }

    pub(crate) fn is_old(number: u32) -> bool {
        Self::old().contains(&number)
    }

    /// How an old one stood. Work is unfinished in some of the months.
    pub(crate) fn was(number: u32) -> Was {
        let at = number.saturating_sub(FIRST);
        match (at / OLD_A_MONTH % 4, at % OLD_A_MONTH) {
            (_, 2 | 3) => Was::Failed,
            (1, 5 | 13) => Was::InOutbox,
            (1, 7 | 15) => Was::InRetries,
            _ => Was::Processed,
        }
    }
}
