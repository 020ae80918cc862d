//! Ids that too many consumers have died with. One of them may be the cause, and the others were merely
//! there. They are not worked on all at once but in groups that grow smaller with the number of deaths,
//! so that the cause soon dies alone, and whoever was there with it is done.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

/// So many deaths are nobody's fault: processes are killed, and hang.
pub(crate) const TRUSTED_CRASHES: i32 = 4;
/// At so many deaths the work is given up. With the largest prefetch a group has shrunk to one at 11.
pub(crate) const CRASHES_MAX: i32 = 20;
/// With each death beyond the trusted ones a group is one part in `1 << SHRINK` of the last.
const SHRINK: u32 = 3;

#[derive(Default)]
pub(crate) struct Suspects {
    /// All of them, with the number of deaths.
    crashes: HashMap<Uuid, i32>,
    /// In flight and not begun; nothing in the database says that they are ours.
    waiting: BTreeSet<(i32, Uuid)>,
    /// Taken, or about to be.
    at_work: BTreeSet<(i32, Uuid)>,
}

impl Suspects {
    /// One more that waits for its turn.
    pub(crate) fn add(&mut self, id: Uuid, crashes: i32) {
        self.forget(id);
        self.crashes.insert(id, crashes);
        self.waiting.insert((crashes, id));
    }

    /// Those whose turn it is, the likeliest innocent first. `prefetch` is how many would be at work if
    /// nobody were suspected.
    pub(crate) fn admit(&mut self, prefetch: u32) -> Vec<Uuid> {
        let mut admitted = Vec::new();
        while let Some(&(crashes, id)) = self.waiting.first() {
            let worst = self
                .at_work
                .last()
                .map_or(crashes, |(worst, _)| crashes.max(*worst));
            if self.at_work.len() >= group(prefetch, worst) {
                break;
            }
            self.waiting.pop_first();
            self.at_work.insert((crashes, id));
            admitted.push(id);
        }
        admitted
    }

    /// Whether this one has been there at so many deaths that it must be the cause.
    pub(crate) fn is_poison(&self, id: Uuid) -> bool {
        self.crashes
            .get(&id)
            .is_some_and(|crashes| *crashes >= CRASHES_MAX)
    }

    /// It is out of our hands.
    pub(crate) fn forget(&mut self, id: Uuid) {
        if let Some(crashes) = self.crashes.remove(&id) {
            self.waiting.remove(&(crashes, id));
            self.at_work.remove(&(crashes, id));
        }
    }

    /// Those that wait for their turn are; returns which.
    pub(crate) fn clear_waiting(&mut self) -> Vec<Uuid> {
        let waiting = std::mem::take(&mut self.waiting);
        for (_, id) in &waiting {
            self.crashes.remove(id);
        }
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// All of them are.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How many suspects may be at work together, if the worst of them has so many deaths behind it.
fn group(prefetch: u32, crashes: i32) -> usize {
    let beyond = crashes
        .saturating_sub(TRUSTED_CRASHES)
        .max(0)
        .unsigned_abs();
    let group = prefetch
        .checked_shr(beyond.saturating_mul(SHRINK))
        .unwrap_or(0);
    group.max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<Uuid> {
        (0..count).map(|_| Uuid::now_v7()).collect()
    }

    #[test]
    fn groups_shrink_with_every_death_until_the_cause_dies_alone() {
        let groups: Vec<_> = (5..=12).map(|crashes| group(300_000, crashes)).collect();
        assert_eq!(groups, [37_500, 4_687, 585, 73, 9, 1, 1, 1]);
        assert_eq!(group(1, 5), 1);
        assert_eq!(group(300_000, CRASHES_MAX), 1);
    }

    #[test]
    fn the_likeliest_innocent_goes_first_and_nobody_joins_the_worst() {
        let mut suspects = Suspects::default();
        let ids = ids(3);
        suspects.add(ids[0], 12);
        suspects.add(ids[1], 5);
        suspects.add(ids[2], 5);
        assert_eq!(suspects.admit(64), &ids[1..]);
        // Two are at work, and with the third among them there may be only one.
        assert!(suspects.admit(64).is_empty());
        suspects.forget(ids[1]);
        assert!(suspects.admit(64).is_empty());
        suspects.forget(ids[2]);
        assert_eq!(suspects.admit(64), &ids[..1]);
        suspects.add(ids[1], 5);
        assert!(suspects.admit(64).is_empty());
    }

    #[test]
    fn poison_is_what_was_there_at_every_one_of_so_many_deaths() {
        let mut suspects = Suspects::default();
        let ids = ids(2);
        suspects.add(ids[0], CRASHES_MAX - 1);
        suspects.add(ids[1], CRASHES_MAX);
        assert!(!suspects.is_poison(ids[0]));
        assert!(suspects.is_poison(ids[1]));
        suspects.clear();
        assert!(!suspects.is_poison(ids[1]));
    }
}
