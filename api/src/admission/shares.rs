//! Which webhooks a part of them is made of: each source has the same share, and what one does not need the others get
//! (max-min fairness). So whoever floods is turned away, and not those beside it.

use std::{collections::BTreeMap, time::Instant};

use super::minimum::WINDOW;
use crate::lane::Lane;

/// What came of each source lately, and what it has left over of its share.
pub(super) struct Shares {
    began: Instant,
    lanes: BTreeMap<Lane, Share>,
    /// Webhooks of one source that are let in during a window. Nothing while it is not known what comes.
    level: Option<f64>,
}

#[derive(Default)]
struct Share {
    /// In this window, and in the last one that is over.
    came: u32,
    last: u32,
    /// What its last webhooks have left over of their parts: at 1, the next one is let in. So the part is kept exactly,
    /// without chance.
    credit: f64,
}

impl Shares {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            lanes: BTreeMap::new(),
            level: None,
        }
    }

    /// Everybody is let in.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.level = None;
    }

    /// Whether the next webhook of `lane` is let in, where `part` of all is.
    pub(super) fn admit(&mut self, now: Instant, lane: Lane, part: f64) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            self.turn(now, part);
        }
        let share = self.lanes.entry(lane).or_default();
        share.came += 1;
        share.credit += match self.level {
            Some(level) if f64::from(share.last) > level => level / f64::from(share.last),
            Some(_) => 1.0,
            None => part,
        };
        let is_admitted = share.credit >= 1.0;
        if is_admitted {
            share.credit -= 1.0;
        }
        is_admitted
    }

    /// A window is over. What came in it is taken to come again.
    fn turn(&mut self, now: Instant, part: f64) {
        self.began = now;
        self.lanes.retain(|_, share| share.came > 0);
        for share in self.lanes.values_mut() {
            share.last = std::mem::take(&mut share.came);
        }
        let mut came: Vec<f64> = self.lanes.values().map(|s| f64::from(s.last)).collect();
        self.level = (!came.is_empty()).then(|| level(&mut came, part));
    }
}

/// How many of each that makes `part` of all, if nobody gets more than has come of it.
fn level(came: &mut [f64], part: f64) -> f64 {
    came.sort_by(f64::total_cmp);
    let mut left = part * came.iter().sum::<f64>();
    let mut sharers = came.len();
    for came in came.iter() {
        let each = left / sharers as f64;
        if *came > each {
            return each;
        }
        left -= came;
        sharers -= 1;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Shares, level};
    use crate::{admission::minimum::WINDOW, lane::Lane};

    const OTHER: Lane = Lane::UNKNOWN;

    #[test]
    fn what_one_does_not_need_the_others_get() {
        assert_eq!(level(&mut [90.0, 10.0], 0.5), 40.0);
        assert_eq!(level(&mut [60.0, 40.0], 0.5), 25.0);
        assert_eq!(level(&mut [100.0], 0.3), 30.0);
        assert_eq!(level(&mut [5.0, 5.0], 1.0), f64::INFINITY);
    }

    /// Of a window in which `flood` of one and `few` of another come: how many of each are let in.
    fn window(shares: &mut Shares, from: Instant, flood: u32, few: u32) -> (u32, u32) {
        let mut admitted = (0, 0);
        for n in 0..flood {
            let now = from + WINDOW * n / flood;
            admitted.0 += u32::from(shares.admit(now, Lane::BUILT_IN, 0.5));
            if n % (flood / few) == 0 {
                admitted.1 += u32::from(shares.admit(now, OTHER, 0.5));
            }
        }
        admitted
    }

    #[test]
    fn whoever_floods_is_turned_away_and_not_those_beside_it() {
        let start = Instant::now();
        let mut shares = Shares::new(start);
        window(&mut shares, start, 1000, 20);
        let (flood, few) = window(&mut shares, start + WINDOW, 1000, 20);
        assert_eq!(few, 20);
        assert!((485..=495).contains(&flood), "{flood}");
    }

    #[test]
    fn alone_a_source_gets_the_whole_part() {
        let start = Instant::now();
        let mut shares = Shares::new(start);
        for n in 0..10 {
            let from = start + WINDOW * n;
            let admitted = (0..100).filter(|_| shares.admit(from, Lane::BUILT_IN, 0.3));
            let admitted = admitted.count();
            assert!((29..=31).contains(&admitted), "{n}: {admitted}");
        }
    }

    #[test]
    fn what_has_gone_takes_no_share() {
        let start = Instant::now();
        let mut shares = Shares::new(start);
        window(&mut shares, start, 1000, 20);
        let later = start + Duration::from_secs(1);
        shares.admit(later, OTHER, 0.5);
        shares.admit(later + WINDOW, OTHER, 0.5);
        assert_eq!(shares.lanes.len(), 1);
    }
}
