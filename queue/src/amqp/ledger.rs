//! Which deliveries of one channel are settled, and what acks follow from it.

use std::collections::VecDeque;

/// Finished deliveries that may wait behind one unfinished before they are acked one by one. Acks of
/// whole runs cost an eighth, so a short wait is worth it; a long one would eat the prefetch.
const BEHIND_MAX: usize = 1024;

/// A channel's deliveries from the oldest unsettled one on. Tags count up from 1 without a gap.
#[derive(Default)]
pub(super) struct Ledger {
    /// The tag of the front of `entries`, less one.
    before: u64,
    entries: VecDeque<Entry>,
    /// How many of `entries` are `Finished`.
    finished: usize,
    /// How many of `entries` are `Answered`.
    answered: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Open,
    /// Its work is done, its ack not sent.
    Finished,
    /// The broker has had its answer.
    Answered,
}

/// The acks to send now, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Acks {
    /// Ack this tag and everything before it.
    pub(super) up_to: Option<u64>,
    /// Ack these alone.
    pub(super) single: Vec<u64>,
}

impl Acks {
    /// Each tag, and whether it stands for all before it (`multiple`).
    pub(super) fn in_order(self) -> impl Iterator<Item = (u64, bool)> {
        let run = self.up_to.into_iter().map(|tag| (tag, true));
        run.chain(self.single.into_iter().map(|tag| (tag, false)))
    }
}

impl Ledger {
    /// Notes that the delivery with this tag has arrived.
    pub(super) fn open(&mut self, tag: u64) {
        debug_assert_eq!(tag, self.before + self.entries.len() as u64 + 1);
        self.entries.push_back(Entry::Open);
    }

    /// How many deliveries the broker counts as unacked.
    pub(super) fn unacked(&self) -> usize {
        self.entries.len() - self.answered
    }

    /// Notes that a delivery's work is done.
    pub(super) fn finish(&mut self, tag: u64) {
        if let Some(entry) = self.entry(tag)
            && *entry == Entry::Open
        {
            *entry = Entry::Finished;
            self.finished += 1;
        }
    }

    /// Notes that the broker has been told otherwise about a delivery (requeue, dead letter).
    pub(super) fn answer(&mut self, tag: u64) {
        if let Some(entry) = self.entry(tag)
            && *entry == Entry::Open
        {
            *entry = Entry::Answered;
            self.answered += 1;
        }
    }

    /// What to ack: the whole run of finished deliveries at the front at once, never past one that is
    /// still open, and those stuck behind an open one singly when they have become too many.
    pub(super) fn acks(&mut self) -> Acks {
        self.acks_behind(BEHIND_MAX)
    }

    /// What to ack before everything else is handed back: all that is finished.
    pub(super) fn last_acks(&mut self) -> Acks {
        self.acks_behind(0)
    }

    fn acks_behind(&mut self, behind_max: usize) -> Acks {
        let mut acks = Acks::default();
        while let Some(&entry) = self.entries.front()
            && entry != Entry::Open
        {
            self.entries.pop_front();
            self.before += 1;
            if entry == Entry::Finished {
                // Not a tag that was answered otherwise: the broker no longer knows those.
                acks.up_to = Some(self.before);
                self.finished -= 1;
            } else {
                self.answered -= 1;
            }
        }
        if self.finished > behind_max {
            for (tag, entry) in (self.before + 1..).zip(&mut self.entries) {
                if *entry == Entry::Finished {
                    *entry = Entry::Answered;
                    acks.single.push(tag);
                }
            }
            self.answered += self.finished;
            self.finished = 0;
        }
        acks
    }

    fn entry(&mut self, tag: u64) -> Option<&mut Entry> {
        let index = tag.checked_sub(self.before + 1)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(count: u64) -> Ledger {
        let mut ledger = Ledger::default();
        (1..=count).for_each(|tag| ledger.open(tag));
        ledger
    }

    fn run(up_to: u64) -> Acks {
        Acks {
            up_to: Some(up_to),
            single: vec![],
        }
    }

    #[test]
    fn a_finished_run_is_acked_at_once_but_never_past_open_work() {
        let mut ledger = ledger(5);
        [2, 3, 5].into_iter().for_each(|tag| ledger.finish(tag));
        assert_eq!(ledger.acks(), Acks::default());
        ledger.finish(1);
        assert_eq!(ledger.acks(), run(3));
        assert_eq!(ledger.acks(), Acks::default());
        ledger.finish(4);
        assert_eq!(ledger.acks(), run(5));
    }

    #[test]
    fn a_tag_that_was_answered_otherwise_is_never_acked() {
        let mut ledger = ledger(4);
        [1, 3].into_iter().for_each(|tag| ledger.finish(tag));
        [2, 4].into_iter().for_each(|tag| ledger.answer(tag));
        assert_eq!(ledger.acks(), run(3));
        ledger.open(5);
        ledger.finish(5);
        assert_eq!(ledger.acks(), run(5));
    }

    #[test]
    fn what_waits_too_long_behind_open_work_is_acked_singly_and_once() {
        let count = BEHIND_MAX as u64 + 2;
        let mut ledger = ledger(count + 1);
        (2..=count).for_each(|tag| ledger.finish(tag));
        let acks = ledger.acks();
        assert_eq!(acks.up_to, None);
        assert_eq!(acks.single, (2..=count).collect::<Vec<_>>());
        assert_eq!(ledger.acks(), Acks::default());
        ledger.finish(1);
        assert_eq!(ledger.acks(), run(1));
        ledger.finish(count + 1);
        assert_eq!(ledger.acks(), run(count + 1));
    }

    #[test]
    fn before_the_rest_is_handed_back_everything_finished_is_acked() {
        let mut ledger = ledger(5);
        [1, 3, 5].into_iter().for_each(|tag| ledger.finish(tag));
        ledger.answer(4);
        let acks: Vec<_> = ledger.last_acks().in_order().collect();
        assert_eq!(acks, [(1, true), (3, false), (5, false)]);
        assert_eq!(ledger.last_acks(), Acks::default());
    }

    #[test]
    fn unacked_is_what_the_broker_still_waits_for() {
        let mut ledger = ledger(6);
        assert_eq!(ledger.unacked(), 6);
        ledger.answer(2);
        ledger.answer(2);
        ledger.finish(3);
        assert_eq!(ledger.unacked(), 5);
        ledger.last_acks();
        assert_eq!(ledger.unacked(), 4);
        ledger.finish(1);
        ledger.acks();
        assert_eq!(ledger.unacked(), 3);
    }

    #[test]
    fn a_delivery_settled_twice_counts_once() {
        let mut ledger = ledger(2);
        ledger.finish(1);
        assert_eq!(ledger.acks(), run(1));
        ledger.finish(1);
        assert_eq!(ledger.acks(), Acks::default());
    }
}
