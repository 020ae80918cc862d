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

impl Ledger {
    /// Notes that the delivery with this tag has arrived.
    pub(super) fn open(&mut self, tag: u64) {
        debug_assert_eq!(tag, self.before + self.entries.len() as u64 + 1);
        self.entries.push_back(Entry::Open);
    }

    /// How many deliveries there are from the oldest unsettled one on: at least as many as the broker counts unacked.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
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
        if let Some(entry) = self.entry(tag) {
            *entry = Entry::Answered;
        }
    }

    /// What to ack: the whole run of finished deliveries at the front at once, never past one that is
    /// still open, and those stuck behind an open one singly when they have become too many.
    pub(super) fn acks(&mut self) -> Acks {
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
            }
        }
        if self.finished > BEHIND_MAX {
            for (tag, entry) in (self.before + 1..).zip(&mut self.entries) {
                if *entry == Entry::Finished {
                    *entry = Entry::Answered;
                    acks.single.push(tag);
                }
            }
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
    fn a_delivery_settled_twice_counts_once() {
        let mut ledger = ledger(2);
        ledger.finish(1);
        assert_eq!(ledger.acks(), run(1));
        ledger.finish(1);
        assert_eq!(ledger.acks(), Acks::default());
    }
}
