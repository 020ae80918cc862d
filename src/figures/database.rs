//! What is told of the database by the one process that looks.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use entity::{
    SourceName, Verdict,
    lifecycle::{figures::Unfinished, heard::Heard},
};
use meter::{Figures, Page};
use uuid::Uuid;

/// What a look has shown.
#[derive(Default)]
pub struct Snapshot {
    pub unfinished: Unfinished,
    /// Whether an entry that is in nobody's hands is known to be so.
    pub holders_are_known: bool,
    pub failures: Vec<(Verdict, i64)>,
    /// The id of the oldest row of each table.
    pub oldest: Vec<(&'static str, Uuid)>,
    pub heard: Vec<Heard>,
    /// The sources that have a rule of silence, and whether they break it.
    pub silent: Vec<(SourceName, bool)>,
}

/// The last look of this process, while the looking is its duty. Otherwise another process tells it, and sums of what all
/// tell would be wrong.
#[derive(Default)]
pub struct Database(Mutex<Option<Snapshot>>);

impl Database {
    /// This is how it is.
    pub fn is(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Another process looks, or nobody can.
    pub fn is_not_known(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Figures for Database {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let snapshot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*snapshot {
            Some(snapshot) => snapshot.write(page),
            None => Ok(()),
        }
    }
}

impl Snapshot {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.write_unfinished(page)?;
        self.write_failures(page)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.write_ages(page, now.unwrap_or_default())
    }

    fn write_unfinished(&self, page: &mut Page<'_>) -> fmt::Result {
        let unfinished = &self.unfinished;
        page.gauges(
            (
                "hookline_outbox_entries",
                "Unfinished transactions, by where they are; no more than 100000 of each table are counted",
            ),
            [
                ("due", unfinished.due + unfinished.retries_due),
                ("published", unfinished.published),
                ("in_flight", unfinished.in_flight),
                ("retry", unfinished.retries_waiting),
                ("paused", unfinished.parked),
            ]
            .map(|(state, count)| ([("state", state)], count as f64)),
        )?;
        page.gauges(
            (
                "hookline_outbox_oldest_due_age_seconds",
                "For how long the transaction that was due first has been due for the relay; 0 if none is",
            ),
            [([], seconds(unfinished.overdue_ms))],
        )?;
        page.gauges(
            (
                "hookline_queue_oldest_age_seconds",
                "For how long what was published first has waited for a consumer, up to 15 minutes; 0 if nothing does",
            ),
            (self.holders_are_known).then_some(([], seconds(unfinished.waiting_ms))),
        )
    }

    fn write_failures(&self, page: &mut Page<'_>) -> fmt::Result {
        let verdicts = [
            (Verdict::Permanent, "PERMANENT"),
            (Verdict::Exhausted, "EXHAUSTED"),
            (Verdict::Poison, "POISON"),
            (Verdict::GivenUp, "GIVEN_UP"),
        ];
        page.gauges(
            (
                "hookline_failures",
                "FAILED transactions in the database, by verdict; no more than 100000 are counted",
            ),
            verdicts.map(|(verdict, name)| {
                let count = self.failures.iter().find(|(known, _)| *known == verdict);
                (
                    [("verdict", name)],
                    count.map_or(0, |(_, count)| *count) as f64,
                )
            }),
        )
    }

    /// `now`: since 1970.
    fn write_ages(&self, page: &mut Page<'_>, now: Duration) -> fmt::Result {
        page.gauges(
            (
                "hookline_retention_oldest_age_seconds",
                "The age of the oldest row of each table",
            ),
            self.oldest.iter().map(|(table, id)| {
                let came = Duration::from_millis((id.as_u128() >> 80) as u64);
                ([("table", *table)], now.saturating_sub(came).as_secs_f64())
            }),
        )?;
        page.gauges(
            (
                "hookline_source_last_verified_timestamp_seconds",
                "When the last genuine event of each source came",
            ),
            (self.heard.iter().filter(|heard| !heard.never)).map(|heard| {
                let at = now.saturating_sub(heard.ago);
                ([("source", heard.source.as_ref())], at.as_secs_f64())
            }),
        )?;
        page.gauges(
            (
                "hookline_source_silent",
                "1 for a source whose last genuine event is older than its silent_after, otherwise 0",
            ),
            (self.silent.iter()).map(|(source, is_silent)| {
                ([("source", source.as_ref())], f64::from(u8::from(*is_silent)))
            }),
        )
    }
}

fn seconds(millis: Option<i64>) -> f64 {
    millis.map_or(0.0, |millis| millis.max(0) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meter::{Format, Registry};

    use super::*;

    /// What was made so long ago.
    fn id(ago: Duration) -> Uuid {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Uuid::from_u128((now - ago).as_millis() << 80)
    }

    fn snapshot() -> Snapshot {
        let heard = |source: &str, never| Heard {
            source: source.parse().unwrap(),
            ago: Duration::from_secs(100),
            never,
        };
        Snapshot {
            unfinished: Unfinished {
                due: 1,
                published: 2,
                in_flight: 4,
                retries_due: 8,
                retries_waiting: 16,
                parked: 32,
                overdue_ms: Some(1_500),
                waiting_ms: Some(2_500),
            },
            holders_are_known: true,
            failures: vec![(Verdict::Exhausted, 3), (Verdict::Poison, 5)],
            oldest: vec![("attempts", id(Duration::from_secs(1_000)))],
            heard: vec![heard("stripe", false), heard("adyen", true)],
            silent: vec![
                ("stripe".parse().unwrap(), true),
                ("adyen".parse().unwrap(), false),
            ],
        }
    }

    /// What is told, by series.
    fn told(database: &Arc<Database>) -> Vec<(String, f64)> {
        let registry = Registry::default();
        registry.add(database.clone());
        let text = registry.text(Format::Prometheus).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        series.collect()
    }

    #[test]
    fn each_figure_stands_under_its_name() {
        let database = Arc::new(Database::default());
        database.is(snapshot());
        let told = told(&database);
        let value = |series: &str| told.iter().find(|(known, _)| known == series).unwrap().1;
        for (series, expected) in [
            ("hookline_outbox_entries{state=\"due\"}", 9.0),
            ("hookline_outbox_entries{state=\"published\"}", 2.0),
            ("hookline_outbox_entries{state=\"in_flight\"}", 4.0),
            ("hookline_outbox_entries{state=\"retry\"}", 16.0),
            ("hookline_outbox_entries{state=\"paused\"}", 32.0),
            ("hookline_outbox_oldest_due_age_seconds", 1.5),
            ("hookline_queue_oldest_age_seconds", 2.5),
            ("hookline_failures{verdict=\"PERMANENT\"}", 0.0),
            ("hookline_failures{verdict=\"EXHAUSTED\"}", 3.0),
            ("hookline_failures{verdict=\"POISON\"}", 5.0),
            ("hookline_failures{verdict=\"GIVEN_UP\"}", 0.0),
            ("hookline_source_silent{source=\"stripe\"}", 1.0),
            ("hookline_source_silent{source=\"adyen\"}", 0.0),
        ] {
            assert!(
                (value(series) - expected).abs() < 1e-9,
                "{series}: {told:?}"
            );
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = value("hookline_retention_oldest_age_seconds{table=\"attempts\"}");
        assert!((1_000.0..1_060.0).contains(&age), "{age}");
        let last = value("hookline_source_last_verified_timestamp_seconds{source=\"stripe\"}");
        let ago = now.as_secs_f64() - last;
        assert!((100.0..160.0).contains(&ago), "{ago}");
        let of_heard = told
            .iter()
            .filter(|(series, _)| series.contains("last_verified"));
        assert_eq!(
            of_heard.count(),
            1,
            "of what was never heard there is no time"
        );
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let database = Arc::new(Database::default());
        assert_eq!(told(&database), []);
        let holders_are_known = false;
        database.is(Snapshot {
            holders_are_known,
            ..snapshot()
        });
        let told_alone = told(&database);
        assert!(!told_alone.is_empty());
        assert!(
            told_alone
                .iter()
                .all(|(series, _)| !series.contains("queue_oldest"))
        );
        database.is_not_known();
        assert_eq!(told(&database), []);
    }
}
