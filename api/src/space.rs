//! Memory for long bodies. Whoever sends one need not be who they say, until all of it is here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::lane::Lane;

/// So many bytes of each body are not counted: connections are, and so are these.
const FREE_BYTES: usize = 64 * 1024;
/// Bytes beyond those that all bodies have at once.
const BYTES_MAX: usize = 128 * 1024 * 1024;
/// The same of one source.
const LANE_BYTES_MAX: usize = BYTES_MAX / 2;

/// What all bodies share.
#[derive(Clone, Default)]
pub(crate) struct Space(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    all: usize,
    lanes: BTreeMap<Lane, usize>,
}

/// What one body has of it, until it is dropped.
pub(crate) struct Place {
    space: Space,
    lane: Lane,
    bytes: usize,
}

impl Space {
    pub(crate) fn place(&self, lane: Lane) -> Place {
        Place {
            space: self.clone(),
            lane,
            bytes: 0,
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Taken) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place {
    /// Whether there is space for a body of so many bytes. It is taken then.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(FREE_BYTES + self.bytes);
        if more == 0 {
            return true;
        }
        let is_taken = self.space.with(|taken| {
            let lane = taken.lanes.entry(self.lane).or_default();
            let has_space = taken.all + more <= BYTES_MAX && *lane + more <= LANE_BYTES_MAX;
            if has_space {
                taken.all += more;
                *lane += more;
            }
            has_space
        });
        if is_taken {
            self.bytes += more;
        }
        is_taken
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        self.space.with(|taken| {
            taken.all -= self.bytes;
            if let Some(lane) = taken.lanes.get_mut(&self.lane) {
                *lane -= self.bytes;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bodies_always_have_space() {
        let space = Space::default();
        let mut places: Vec<_> = (0..10_000).map(|_| space.place(Lane::UNKNOWN)).collect();
        assert!(places.iter_mut().all(|place| place.grow(FREE_BYTES)));
        assert_eq!(space.with(|taken| taken.all), 0);
    }

    #[test]
    fn one_source_cannot_take_what_is_for_others() {
        let space = Space::default();
        let mut long: Vec<_> = (0..200).map(|_| space.place(Lane::UNKNOWN)).collect();
        let have = long
            .iter_mut()
            .filter_map(|place| place.grow(1 << 20).then_some(()));
        assert_eq!(have.count(), 68);
        let mut other = space.place(Lane::BUILT_IN);
        assert!(other.grow(1 << 20));
        assert!(!long[199].grow(1 << 20));
        drop(long.remove(0));
        assert!(long[198].grow(1 << 20), "what is dropped is free again");
        drop((long, other));
        assert_eq!(space.with(|taken| taken.all), 0);
    }

    #[test]
    fn a_body_takes_what_it_grows_by() {
        let space = Space::default();
        let mut place = space.place(Lane::UNKNOWN);
        for bytes in [100, FREE_BYTES, FREE_BYTES + 10, FREE_BYTES + 10, 1 << 20] {
            assert!(place.grow(bytes));
        }
        assert_eq!(space.with(|taken| taken.all), (1 << 20) - FREE_BYTES);
    }
}
