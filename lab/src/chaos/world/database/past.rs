//! What is left of what was there before the run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use sea_orm::ConnectionTrait as _;

use super::{Db, KEY};
use crate::chaos::{
    check::{Old, Row},
    webhook::{Variant, Webhooks},
};

impl Db {
    /// Each old one of `webhooks`, as it stands or, if it is gone, as it stood last.
    pub(crate) async fn old(&self, webhooks: &Webhooks) -> Result<Vec<Old>> {
        let bound = self.bound();
        let known = format!("SELECT {KEY} FROM keys WHERE id < {bound}");
        let known: BTreeSet<String> = self.column(&known).await?.into_iter().collect();
        let there =
            format!("SELECT {KEY}, CAST(status AS text) FROM transactions WHERE id < {bound}");
        let there: BTreeMap<String, String> = self.pairs(&there).await?.into_iter().collect();
        let ended =
            format!("SELECT {KEY}, status FROM chaos_ended JOIN keys USING (id) ORDER BY place");
        let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, status) in self.pairs(&ended).await? {
            ends.entry(key).or_default().push(status);
        }
        let old = Webhooks::old().map(|number| {
            let content = webhooks.content(number, Variant::Original);
            let was = Webhooks::was(number);
            let ends = ends.remove(&content.key).unwrap_or_default();
            let stands = there.get(&content.key).or(ends.last()).cloned();
            Old {
                was,
                ends: ends.len() as u64,
                is_there: there.contains_key(&content.key),
                is_known: known.contains(&content.key),
                row: Row {
                    content,
                    status: stands.unwrap_or_else(|| was.status().to_owned()),
                    processed_at: None,
                    took: None,
                },
            }
        });
        Ok(old.collect())
    }

    /// How much is left that is old and belongs to nothing unfinished: rows, and partitions that were taken away or that hold
    /// the past.
    pub(crate) async fn left_of_the_past(&self) -> Result<i64> {
        let bound = self.bound();
        let (time, months) = match self.is_sqlite() {
            true => ("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-45 days')", "0"),
            false => (
                "now() - interval '45 days'",
                "(SELECT count(*) FROM pg_class WHERE relkind = 'r' AND (relname LIKE 'detached%' \
                  OR relname ~ '^(transactions|payloads)_[0-9]{4}_[0-9]{2}$' \
                    AND right(relname, 7) < to_char(now() - interval '45 days', 'YYYY_MM')))",
            ),
        };
        let by_id = ["transactions", "payloads", "refusals"];
        let by_id = by_id.map(|table| format!("(SELECT count(*) FROM {table} WHERE id < {bound})"));
        let by_time = [
            ("attempts", "started_at"),
            ("repeats", "last_at"),
            ("conflicts", "received_at"),
        ];
        let by_time = by_time.map(|(table, column)| {
            format!("(SELECT count(*) FROM {table} WHERE {column} < {time})")
        });
        let parts = [by_id.as_slice(), by_time.as_slice()].concat().join(" + ");
        self.one(&format!("SELECT {parts} + {months}")).await
    }

    /// The first two values of every row.
    async fn pairs(&self, sql: &str) -> Result<Vec<(String, String)>> {
        let rows = self.connection.query_all_raw(self.statement(sql)).await?;
        let pairs = rows
            .iter()
            .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)));
        pairs.collect()
    }
}
