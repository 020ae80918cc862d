//! How a prefetch is spread over channels: which channel is opened or retired next. Pure, so that it can be stepped.

/// A channel's prefetch travels as 16 bits; zero would mean 2,000 on a quorum queue.
const PREFETCH_MAX: u32 = u16::MAX as u32;
/// With room for fewer deliveries than this on its channels, a session that may hold more opens another one.
const ROOM_MIN: usize = PREFETCH_MAX as usize / 8;
/// Channels with a consumer beyond which small ones are given up for a larger one.
const MANY: usize = 16;

/// What a channel may hold, and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Names the channel; later ones have higher numbers.
    pub(super) index: u32,
    pub(super) prefetch: u16,
    pub(super) unacked: usize,
    /// It has no consumer any more, and is there for what is unsettled.
    pub(super) is_retired: bool,
}

impl Held {
    /// How many more deliveries may come.
    fn room(self) -> usize {
        match self.is_retired {
            true => 0,
            false => usize::from(self.prefetch).saturating_sub(self.unacked),
        }
    }
}

/// All channels of a session. This is asked at every turn of its loop, so it is a view of them and no copy.
pub(super) struct Channels<I> {
    /// By their index.
    pub(super) held: I,
    /// The prefetch of the channel that is being opened, if one is.
    pub(super) opening: Option<u16>,
    /// How many deliveries are wanted at once.
    pub(super) prefetch: u32,
}

impl<I: DoubleEndedIterator<Item = Held> + Clone> Channels<I> {
    /// How many deliveries the channels that have a consumer, or are to have one, may hold.
    pub(super) fn granted(&self) -> u32 {
        let granted: u32 = self.active().map(|held| u32::from(held.prefetch)).sum();
        granted + u32::from(self.opening.unwrap_or(0))
    }

    /// How many more deliveries may come on the channels that are open.
    pub(super) fn room(&self) -> usize {
        self.held.clone().map(Held::room).sum()
    }

    /// Which channel is to be retired, because more is granted than wanted: the last one is the least full.
    pub(super) fn one_too_many(&self) -> Option<u32> {
        let last = self.active().next_back().map(|held| held.index);
        last.filter(|_| self.granted() > self.prefetch)
    }

    /// The prefetch of the next channel, if there is little room and there may be more.
    pub(super) fn next_prefetch(&self) -> Option<u16> {
        let owed = self.owed();
        let free = self.prefetch.saturating_sub(self.granted() + owed);
        // What retired channels hold frees its share bit by bit, and a channel for each bit would be too many.
        let is_worth_it = free > 0 && (owed == 0 || free >= self.prefetch.div_ceil(8));
        let is_next = is_worth_it && self.room() < ROOM_MIN && self.opening.is_none();
        is_next.then_some(free.min(PREFETCH_MAX) as u16)
    }

    /// Which channel gives way to the next one, because there are many: the smallest.
    pub(super) fn one_too_small(&self) -> Option<u32> {
        let smallest = self.active().min_by_key(|held| held.prefetch)?;
        let gives_way =
            self.active().count() >= MANY && u32::from(smallest.prefetch) < PREFETCH_MAX;
        gives_way.then_some(smallest.index)
    }

    fn active(&self) -> impl DoubleEndedIterator<Item = Held> {
        self.held.clone().filter(|held| !held.is_retired)
    }

    /// How many deliveries retired channels hold.
    fn owed(&self) -> u32 {
        let retired = self.held.clone().filter(|held| held.is_retired);
        retired.map(|held| held.unacked as u32).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session whose channels do as they are told.
    #[derive(Default)]
    struct Session {
        held: Vec<Held>,
        opened: u32,
    }

    impl Session {
        fn channels(&self, prefetch: u32) -> Channels<std::vec::IntoIter<Held>> {
            Channels {
                held: self.held.clone().into_iter(),
                opening: None,
                prefetch,
            }
        }

        /// One round: retires and opens what is due. Returns the prefetch of what was opened.
        fn step(&mut self, prefetch: u32) -> Option<u16> {
            while let Some(index) = self.channels(prefetch).one_too_many() {
                self.retire(index);
            }
            self.held
                .retain(|held| !held.is_retired || held.unacked > 0);
            let next = self.channels(prefetch).next_prefetch()?;
            if let Some(index) = self.channels(prefetch).one_too_small() {
                self.retire(index);
            }
            self.opened += 1;
            self.held.push(Held {
                index: self.opened,
                prefetch: next,
                unacked: 0,
                is_retired: false,
            });
            Some(next)
        }

        fn retire(&mut self, index: u32) {
            for held in &mut self.held {
                held.is_retired |= held.index == index;
            }
        }

        /// Deliveries come until there is no room.
        fn fill(&mut self) {
            for held in &mut self.held {
                held.unacked += held.room();
            }
        }
    }

    #[test]
    fn a_small_prefetch_is_one_channel() {
        let mut session = Session::default();
        assert_eq!(session.step(100), Some(100));
        assert_eq!(session.step(100), None);
        session.fill();
        assert_eq!(session.step(100), None, "all of it is granted");
    }

    #[test]
    fn a_large_prefetch_grows_channel_by_channel_as_they_fill() {
        let mut session = Session::default();
        assert_eq!(session.step(150_000), Some(65_535));
        assert_eq!(session.step(150_000), None, "there is room");
        session.held[0].unacked = 65_535 - ROOM_MIN + 1;
        assert_eq!(session.step(150_000), Some(65_535));
        session.fill();
        assert_eq!(session.step(150_000), Some(18_930));
        session.fill();
        assert_eq!(session.step(150_000), None);
        assert_eq!(session.channels(150_000).granted(), 150_000);
    }

    #[test]
    fn a_smaller_prefetch_takes_nothing_back_and_counts_what_is_owed() {
        let mut session = Session::default();
        session.step(1000);
        session.fill();
        // The one channel is too large; what it holds stays, and counts.
        assert_eq!(session.step(10), None);
        assert!(session.held[0].is_retired);
        session.held[0].unacked = 9;
        assert_eq!(session.step(10), None, "one place is too little");
        session.held[0].unacked = 8;
        assert_eq!(session.step(10), Some(2));
        session.held[0].unacked = 0;
        assert_eq!(session.step(10), Some(8));
    }

    #[test]
    fn to_want_nothing_retires_all() {
        let mut session = Session::default();
        session.step(1000);
        assert_eq!(session.step(0), None);
        assert!(session.held.is_empty());
    }

    #[test]
    fn many_small_channels_give_way_to_a_larger_one() {
        let mut session = Session::default();
        for prefetch in 1..=16 {
            assert_eq!(session.step(prefetch), Some(1));
            session.fill();
        }
        // With the smallest its share comes back when what it holds is settled.
        assert_eq!(session.step(1000), Some(984));
        let active = session.held.iter().filter(|held| !held.is_retired);
        assert_eq!(active.count(), MANY);
        assert!(session.held[0].is_retired);
    }

    #[test]
    fn nothing_is_opened_while_one_is_being_opened() {
        let opening = Channels {
            held: std::iter::empty(),
            opening: Some(10),
            prefetch: 100_000,
        };
        assert_eq!(opening.next_prefetch(), None);
        assert_eq!(opening.granted(), 10);
    }
}
