//! Sources from which nothing genuine comes any more: a rule of their own says for how long that is well; and one whose
//! requests are refused, and none is genuine, is as silent.

use std::{collections::BTreeMap, time::Duration};

use entity::{
    SourceName,
    lifecycle::{
        Pass,
        heard::{self, Heard},
        refusals,
    },
};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::{Value, json};

pub const KIND: &str = "hookline.source.silent";

/// So many refusals within [`REFUSED_WITHIN`], and nothing genuine, are no accident.
const REFUSED_MIN: i64 = 10;
const REFUSED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// A source that is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    pub source: SourceName,
    /// How long ago its last genuine event came, or since when it has been listened for.
    pub ago: Duration,
    /// None has ever come.
    pub never: bool,
    /// Its rule, if it breaks that.
    pub silent_after: Option<Duration>,
    /// Requests in its name that were refused within the last 15 minutes.
    pub refused: i64,
}

/// What is known of all sources: when each was heard, and how often each was refused of late.
pub struct Known {
    pub heard: Vec<Heard>,
    pub refused: Vec<(SourceName, i64)>,
}

impl Known {
    pub async fn load(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let since = Pass::now().saturating_sub(REFUSED_WITHIN.as_millis() as u64);
        Ok(Self {
            heard: heard::all(db).await?,
            refused: refusals::since(db, since).await?,
        })
    }

    /// Which sources are silent, by these rules or by their refusals.
    pub fn silences(&self, rules: &[(SourceName, Duration)]) -> Vec<Silence> {
        silences(rules, &self.heard, &self.refused)
    }
}

fn silences(
    rules: &[(SourceName, Duration)],
    heard: &[Heard],
    refused: &[(SourceName, i64)],
) -> Vec<Silence> {
    let silences = heard.iter().filter_map(|heard| {
        let rule = rules.iter().find(|(source, _)| *source == heard.source);
        let silent_after = rule
            .map(|(_, after)| *after)
            .filter(|after| heard.ago > *after);
        let refused = refused.iter().find(|(source, _)| *source == heard.source);
        let refused = refused.map_or(0, |(_, count)| *count);
        let is_refused = refused >= REFUSED_MIN && heard.ago > REFUSED_WITHIN;
        (silent_after.is_some() || is_refused).then(|| Silence {
            source: heard.source.clone(),
            ago: heard.ago,
            never: heard.never,
            silent_after,
            refused,
        })
    });
    silences.collect()
}

/// Of each source that has a rule, whether it breaks that.
pub fn broken(rules: &[(SourceName, Duration)], silences: &[Silence]) -> Vec<(SourceName, bool)> {
    let breaks = |source: &SourceName| {
        let mut broken = silences
            .iter()
            .filter(|silence| silence.silent_after.is_some());
        broken.any(|silence| silence.source == *source)
    };
    let rules = rules.iter();
    rules
        .map(|(source, _)| (source.clone(), breaks(source)))
        .collect()
}

/// Since when each has been known to be silent, in milliseconds since 1970.
#[derive(Default)]
pub struct Began(BTreeMap<SourceName, i64>);

impl Began {
    /// What is to be told: all that are silent, if one of them has been so only since `from`.
    pub fn gather(&mut self, silences: &[Silence], from: i64, now: i64) -> Option<(i64, Value)> {
        self.0
            .retain(|source, _| silences.iter().any(|silence| silence.source == *source));
        for silence in silences {
            let began = match silence.silent_after {
                Some(after) => now - millis(silence.ago.saturating_sub(after)),
                None => now,
            };
            self.0.entry(silence.source.clone()).or_insert(began);
        }
        let is_new = self.0.values().any(|began| *began > from);
        let told: Vec<Value> = silences.iter().map(told).collect();
        is_new.then(|| (now, json!({"sources": told})))
    }
}

fn told(silence: &Silence) -> Value {
    let seconds = |length: Duration| length.as_secs();
    json!({
        "source": silence.source.as_ref(),
        "last_verified_seconds_ago": (!silence.never).then_some(seconds(silence.ago)),
        "silent_after_seconds": silence.silent_after.map(seconds),
        "refused_within_15m": silence.refused,
    })
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn name(source: &str) -> SourceName {
        source.parse().unwrap()
    }

    fn heard(source: &str, minutes_ago: u32) -> Heard {
        Heard {
            source: name(source),
            ago: MINUTE * minutes_ago,
            never: false,
        }
    }

    #[test]
    fn a_source_is_silent_by_its_own_rule() {
        let rules = [(name("often"), 5 * MINUTE), (name("seldom"), 600 * MINUTE)];
        let heard = [
            heard("often", 6),
            heard("seldom", 500),
            heard("unruled", 9999),
        ];
        let silent = silences(&rules, &heard, &[]);
        let silent: Vec<_> = silent
            .iter()
            .map(|silence| silence.source.as_ref())
            .collect();
        assert_eq!(silent, ["often"]);
    }

    #[test]
    fn refusals_while_nothing_genuine_comes_are_a_silence_without_a_rule() {
        let heard = [heard("refused", 16), heard("well", 1), heard("quiet", 999)];
        let refused = [
            (name("refused"), 10),
            (name("well"), 500),
            (name("quiet"), 9),
        ];
        let silent = silences(&[], &heard, &refused);
        assert_eq!(silent.len(), 1);
        assert_eq!(
            (silent[0].source.as_ref(), silent[0].refused),
            ("refused", 10)
        );
        // With a rule that it keeps it is silent all the same, and breaks no rule.
        let rules = [(name("refused"), 60 * MINUTE), (name("quiet"), 60 * MINUTE)];
        let silent = silences(&rules, &heard, &refused);
        assert_eq!(silent.len(), 2);
        let broken = broken(&rules, &silent);
        assert_eq!(broken, [(name("refused"), false), (name("quiet"), true)]);
    }

    #[test]
    fn a_silence_is_told_once_with_all_others() {
        let rules = [(name("a"), MINUTE), (name("b"), MINUTE)];
        let mut known = Began::default();
        let now = 1_000_000_000;
        let first = silences(&rules, &[heard("a", 3)], &[]);
        // It began two minutes ago.
        assert_eq!(known.gather(&first, now - 60_000, now), None);
        let (to, data) = known.gather(&first, now - 180_000, now).unwrap();
        assert_eq!(data["sources"].as_array().unwrap().len(), 1);
        assert_eq!(known.gather(&first, to, now + 1_000), None);
        let both = silences(&rules, &[heard("a", 4), heard("b", 1)], &[]);
        assert_eq!(both.len(), 1, "a minute is not more than a minute");
        let both = silences(&rules, &[heard("a", 5), heard("b", 2)], &[]);
        let later = now + 120_000;
        let (_, data) = known.gather(&both, to, later).unwrap();
        assert_eq!(data["sources"].as_array().unwrap().len(), 2);
        // It is well again, and silent again.
        assert_eq!(known.gather(&[], later, later), None);
        assert!(known.gather(&both, later, later + 600_000).is_some());
    }
}
