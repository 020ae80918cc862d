//! Whether a run kept the promises. A run that did not has no speed.

use std::time::Duration;

use anyhow::{Result, ensure};
use sea_orm::DbBackend;
use testbed::rabbitmq;

use super::{Site, state::STATISTICS};
use crate::{
    bench::{load::Answers, wait::until},
    queues::dead_letter,
};

/// Ids that one query looks for.
const LOOKED_FOR: usize = 10_000;
/// Within this time of its end a session has told what it did.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

impl Site {
    /// How many rows `answers` must have made: one for each 202, and one for each that was told to come back later and
    /// was committed all the same.
    pub(in crate::bench) async fn committed(&self, answers: &Answers) -> Result<u64> {
        let mut committed = answers.accepted;
        for numbers in answers.later.chunks(LOOKED_FOR) {
            let ids: Vec<String> = numbers
                .iter()
                .map(|number| answers.ids.text(*number))
                .collect();
            let source = answers.sender.source().into();
            let (is_one_of_them, ids) = match self.db.get_database_backend() {
                DbBackend::Postgres => ("= ANY($2)", ids.into()),
                _ => (
                    "IN (SELECT value FROM json_each($2))",
                    serde_json::Value::from(ids).to_string().into(),
                ),
            };
            let sql = format!(
                "SELECT count(*) FROM keys WHERE source = $1 AND transaction_id {is_one_of_them}"
            );
            let found: i64 = self.one(&sql, [source, ids]).await?.unwrap_or(0);
            committed += u64::try_from(found)?;
        }
        Ok(committed)
    }

    /// After whoever worked has stopped: `new` rows have come, every one was `PROCESSED` exactly once, as was every one that
    /// had failed, and outbox, queue and dead-letter queue are empty.
    pub(in crate::bench) async fn check(&mut self, new: u64) -> Result<()> {
        self.check_rows(new).await?;
        self.check_queues().await
    }

    /// The same for one that has no queue.
    pub(in crate::bench) async fn check_rows(&mut self, new: u64) -> Result<()> {
        let rows = self.rows().await?;
        let expected = i64::try_from(self.prefilled + self.carried + new)?;
        ensure!(
            rows.all == expected,
            "{} rows where {expected} webhooks were received: the check failed",
            rows.all
        );
        ensure!(
            rows.processed == expected && rows.outbox == 0,
            "{} of {expected} rows are PROCESSED and {} are in the outbox: the check failed",
            rows.processed,
            rows.outbox
        );
        let keys = if self.is_bare { 0 } else { expected };
        ensure!(
            rows.keys == keys && rows.payloads == rows.events,
            "{} keys of {keys}, and the bytes of {} of {} events: the check failed",
            rows.keys,
            rows.payloads,
            rows.events
        );
        self.carried += new;
        self.check_updates().await
    }

    /// Once and not twice: PostgreSQL counts the updates, and tells all of them once the service's sessions have ended.
    async fn check_updates(&self) -> Result<()> {
        if self.db.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let sql = format!("SELECT sum(n_tup_upd)::bigint FROM {STATISTICS}");
        // What had failed is reopened first.
        let expected = self.carried + 2 * self.failed;
        let what = format!("rows were updated {expected} times in all: the check failed");
        until(TOLD_WITHIN, &what, async || {
            let updates: Option<i64> = self.one(&sql, []).await?;
            Ok(updates == Some(expected.cast_signed()))
        })
        .await
    }

    async fn check_queues(&self) -> Result<()> {
        let Some(broker) = &self.broker else {
            return Ok(());
        };
        let left = rabbitmq::message_count(&broker.amqp_url, &broker.queue).await?;
        ensure!(left == 0, "{left} messages are left: the check failed");
        let dead = dead_letter(&broker.queue);
        // The bare pipeline has none.
        let dead = rabbitmq::message_count(&broker.amqp_url, &dead)
            .await
            .unwrap_or(0);
        ensure!(
            dead == 0,
            "{dead} messages are dead letters: the check failed"
        );
        Ok(())
    }
}
