//! A source's place wherever several wait for the same, so that a flood of one leaves the others what is theirs.

use entity::name::BUILT_IN;

/// Tells the webhooks of one source from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane(u64);

/// FNV-1a, 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

impl Lane {
    pub(crate) const BUILT_IN: Self = Self(0);
    /// Of all that come under names that are no source's: whoever makes names up gets no lane for each.
    pub(crate) const UNKNOWN: Self = Self(1);

    /// Of the source of this name.
    pub(crate) fn of(source: &str) -> Self {
        if source == BUILT_IN {
            return Self::BUILT_IN;
        }
        Self(source.bytes().fold(FNV_OFFSET, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        }))
    }
}

/// How many webhooks wait before the next one of a lane, as each lane has its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// In all lanes: of each no more than there are in its own.
    pub(crate) all: usize,
    /// In its own.
    pub(crate) own: usize,
}

impl Ahead {
    /// Where there is one lane alone.
    #[cfg(test)]
    pub(crate) fn of(waiting: usize) -> Self {
        Self {
            all: waiting,
            own: waiting,
        }
    }
}
