//! A long and varied life: whatever lists can be asked for is there, often, seldom, or hardly ever.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, rngs::StdRng};

use super::{
    Site,
    prefill::{DAYS, FIRST_MONTH, failures, id},
};

/// Months in which transactions came.
const MONTHS: u64 = 12;
/// Transactions of a month, at least: then there are some of each [`Kind`].
const EACH_MIN: u64 = 40;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Rows of each of the tables that do not grow with the transactions.
const LINES: u64 = 10_000;

/// What the transaction with number `n` of its month says: the columns that months are filled by. One of a month is GitHub's,
/// and one has an account that is seldom seen; a tenth are Stripe's.
const VARIED: &str = "CASE WHEN n = 7 THEN 'github' WHEN n % 10 = 0 THEN 'stripe' ELSE 'transactions' END, \
     CASE WHEN n = 7 THEN 'push' \
       WHEN n % 10 = 0 THEN (ARRAY['charge.succeeded', 'charge.failed', 'invoice.paid'])[n / 10 % 3 + 1] END, \
     CASE WHEN n = 9 THEN 'acc_rare' WHEN BUILT_IN THEN 'acc_user_' || n % 5000 END, \
     CASE WHEN BUILT_IN THEN 'acc_merchant_' || n % 200 END, \
     CASE WHEN BUILT_IN THEN (n % 10007) * 0.01 END, \
     CASE WHEN BUILT_IN THEN (ARRAY['INR', 'EUR', 'USD', 'JPY'])[n % 4 + 1] END, \
     CASE WHEN n % 1000 IN (10, 13) THEN 'FAILED' WHEN n % 1000 IN (20, 23) THEN 'PROCESSING' ELSE 'PROCESSED' END, \
     CASE WHEN n % 1000 NOT IN (10, 13, 20, 23) THEN at + interval '30 s' END";
const BUILT_IN: &str = "n <> 7 AND n % 10 <> 0";
/// Those that came again, with other content, too.
const REPEATED: &str = "split_part(transaction_id, '_', 3)::int % 1000 IN (30, 33)";

/// Which transactions somebody wants one of, by their numbers.
#[derive(Clone, Copy)]
pub(in crate::bench) enum Kind {
    BuiltIn,
    Failed,
    Repeated,
    Stripe,
    StripeFailed,
    StripeRepeated,
}

impl Kind {
    /// The first of their numbers in a month, and how far it is from one to the next.
    fn numbers(self) -> (u64, u64) {
        match self {
            Self::BuiltIn => (1, 10),
            Self::Failed => (13, 1000),
            Self::Repeated => (33, 1000),
            Self::Stripe => (40, 10),
            Self::StripeFailed => (10, 1000),
            Self::StripeRepeated => (30, 1000),
        }
    }
}

/// What there is.
pub(in crate::bench) struct History {
    /// Transactions of a month.
    each: u64,
    /// When the first of each month came.
    months: Vec<SystemTime>,
}

impl Site {
    /// Fills the empty tables with `rows` transactions of a year, and with what else is kept beside them.
    pub(in crate::bench) async fn prefill_history(&self, rows: u64) -> Result<History> {
        let each = rows / MONTHS;
        ensure!(
            each >= EACH_MIN,
            "--count must be {} or more",
            EACH_MIN * MONTHS
        );
        let columns = VARIED.replace("BUILT_IN", BUILT_IN);
        self.fill_months(rows, MONTHS, &columns).await?;
        for sql in beside() {
            self.execute(&sql).await?;
        }
        self.execute("VACUUM ANALYZE").await?;
        let mut months = Vec::new();
        for month in 0..MONTHS {
            let first = format!(
                "SELECT extract(epoch FROM {FIRST_MONTH} + interval '{month} months' + interval '{} days')::float8",
                DAYS.0
            );
            let first: Option<f64> = self.one(&first, []).await?;
            let first = Duration::from_secs_f64(first.context("no time")?);
            months.push(UNIX_EPOCH + first);
        }
        self.settle().await?;
        Ok(History { each, months })
    }
}

impl History {
    /// The id of some transaction of this kind.
    pub(in crate::bench) fn transaction_id(&self, kind: Kind, random: &mut StdRng) -> String {
        let (first, step) = kind.numbers();
        let number = first + step * random.random_range(0..=(self.each - first) / step);
        let month = random.random_range(0..self.months.len());
        format!("old_{month}_{number}")
    }

    /// Some whole second at which transactions came.
    pub(in crate::bench) fn time(&self, random: &mut StdRng) -> SystemTime {
        let month = self.months[random.random_range(0..self.months.len())];
        month + Duration::from_secs(random.random_range(0..(DAY * DAYS.1 as u32).as_secs()))
    }

    /// A span with about so many transactions, or a month's.
    pub(in crate::bench) fn span(&self, rows: u64, random: &mut StdRng) -> Range<SystemTime> {
        let all = (DAY * DAYS.1 as u32).as_secs();
        let length = all.min(all * rows / self.each);
        let month = self.months[random.random_range(0..self.months.len())];
        let from = month + Duration::from_secs(random.random_range(0..=all - length));
        from..from + Duration::from_secs(length)
    }
}

/// What else is kept. What is unfinished waits for longer than anybody looks on.
fn beside() -> [String; 9] {
    let millis = |time: &str| format!("(extract(epoch FROM {time}) * 1000)::bigint");
    let lines = |every: &str| {
        format!(
            "(SELECT {} AS id, n, at FROM (SELECT n, now() - {LINES} * interval '{every}' + n * interval '{every}' AS at \
             FROM generate_series(1, {LINES}) AS n) AS times) AS lines",
            id("at", "n")
        )
    };
    [
        failures(),
        "INSERT INTO payloads (id, content_type, headers, body, sent_at) \
         SELECT id, 'application/json', '{}', convert_to('{\"id\":\"' || transaction_id || '\",\"type\":\"' || type || \
           '\",\"note\":\"' || repeat('x', 200) || '\"}', 'UTF8'), created_at FROM transactions WHERE source <> 'transactions'"
            .to_owned(),
        "INSERT INTO attempts (id, number, started_at, took_ms, outcome, status) \
         SELECT id, 1, created_at, 12, 'SUCCEEDED', 200 FROM transactions \
         WHERE source <> 'transactions' AND status = 'PROCESSED'"
            .to_owned(),
        format!(
            "INSERT INTO retries (id, due_at, set_at, attempts, failures, waits) \
             SELECT id, {}, {}, 1, 1, true FROM transactions WHERE status = 'PROCESSING'",
            millis("now() + interval '1 day'"),
            millis("now()")
        ),
        format!(
            "INSERT INTO conflicts (id, source, transaction_id, type, source_account, destination_account, amount, currency, \
               body, received_at) \
             SELECT gen_random_uuid(), source, transaction_id, type, source_account, destination_account, amount + 1, \
               currency, CASE WHEN source <> 'transactions' THEN '{{}}'::bytea END, created_at + interval '1 hour' \
             FROM transactions WHERE {REPEATED}"
        ),
        format!(
            "INSERT INTO repeats (id, count, last_at) \
             SELECT id, 3, created_at + interval '1 hour' FROM transactions WHERE {REPEATED}"
        ),
        format!(
            "INSERT INTO refusals (id, source, reason, size, hash, refused_at) \
             SELECT id, CASE WHEN n % 1000 = 7 THEN 'github' ELSE 'stripe' END, 'mismatch', 200, \
               sha256(n::text::bytea), at FROM {}",
            lines("30 s")
        ),
        format!(
            "INSERT INTO audit (id, act, who, reason, source, transaction_id, count, acted_at) \
             SELECT id, 'retry', 'anna', 'the service is back', 'transactions', 'old_0_' || n, 1, at FROM {}",
            lines("40 min")
        ),
        format!(
            "INSERT INTO bulk_retries (id, filter, rate, state, who, reason, matched, retried, next_id, failed_before, \
               next_at, created_at, ended_at) \
             SELECT id, '{{}}', 50, 'DONE', 'anna', 'the service is back', 19, 19, id, at, 0, at, at FROM {}",
            lines("40 min")
        ),
    ]
}
