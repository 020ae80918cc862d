//! What was there before a run: a year of transactions, most of them finished, with all that belongs to them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use entity::{
    Content, Event, Fields, Payload, Payment, Webhook,
    lifecycle::{Received, receive},
};
use sea_orm::DatabaseConnection;
use uuid::{Builder, Uuid};

use super::database::Db;
use crate::{
    chaos::webhook::{MONTHS, Said, Variant, Was, Webhooks},
    database::WITHOUT_PAST,
    stripe,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The youngest of what is old, and what lies between two of its months.
const YOUNGEST: Duration = DAY.saturating_mul(60);
const MONTH: Duration = DAY.saturating_mul(30);
/// What is older than that was there before.
const PAST: Duration = DAY.saturating_mul(45);
/// When what is unfinished is due, from now on: while things break.
const DUE_IN_MS: u64 = 8_000;
/// Longer than it takes to fill a month.
const NOT_YET: Duration = Duration::from_secs(600);

/// The first id that was not there before.
pub(super) fn bound() -> Uuid {
    first_id(millis_ago(PAST))
}

/// Fills an empty database with the old ones of `webhooks`.
pub(super) async fn fill(db: &Db, webhooks: &Webhooks) -> Result<()> {
    if !db.is_sqlite() {
        db.execute(WITHOUT_PAST).await?;
    }
    for month in (0..MONTHS).rev() {
        let at = millis_ago(YOUNGEST + MONTH * month);
        let numbers = Webhooks::of_month(month);
        let month: Vec<(u32, Uuid)> = numbers.map(|number| (number, id(at, number))).collect();
        receive_all(db.connection(), webhooks, &month).await?;
        db.execute(&grown_old(db, &month, at)).await?;
    }
    Ok(())
}

/// Has the service's own statement take them, and for one of them another content as well.
async fn receive_all(
    db: &DatabaseConnection,
    webhooks: &Webhooks,
    month: &[(u32, Uuid)],
) -> Result<()> {
    let received = |(number, id): &(u32, Uuid), variant| {
        let webhook = webhook(webhooks, *number, variant)?;
        anyhow::Ok(Received { id: *id, webhook })
    };
    let originals = month.iter().map(|one| received(one, Variant::Original));
    let originals = originals.collect::<Result<Vec<_>>>()?;
    let receipts = receive(db, &originals, NOT_YET).await?;
    ensure!(
        receipts.len() == month.len(),
        "not all of the past is there"
    );
    let first = month.first().context("a month is empty")?;
    let mut other = received(first, Variant::Other)?;
    // Nobody sends this one again, so its age is that of the month.
    other.id = Uuid::now_v7();
    if let Content::Payment(payment) = &mut other.webhook.content {
        payment.currency = "CHF".parse()?;
    }
    receive(db, &[other], NOT_YET).await?;
    Ok(())
}

/// What the service would have made of a request with webhook `number`.
fn webhook(webhooks: &Webhooks, number: u32, variant: Variant) -> Result<Webhook> {
    let sent = webhooks.sent(number, variant);
    let content = match webhooks.content(number, variant).said {
        Said::Payment(payment) => Content::Payment(Payment {
            source_account: payment.source_account.parse()?,
            destination_account: payment.destination_account.parse()?,
            amount: payment.amount.parse()?,
            currency: payment.currency.parse()?,
            extra: None,
        }),
        Said::Event { kind, .. } => Content::Event(Box::new(Event {
            kind: Some(kind.parse()?),
            fields: Fields::default(),
            payload: Payload {
                content_type: Some("application/json".to_owned()),
                headers: None,
                body: sent.body.into(),
                sent_at: None,
            },
        })),
    };
    Ok(Webhook {
        source: sent.source.parse()?,
        transaction_id: webhooks.id(number).parse()?,
        content,
    })
}

/// Makes of what has just been received what it is after a long time: finished, most of it, with what has been tried and with what
/// came besides.
fn grown_old(db: &Db, month: &[(u32, Uuid)], at: u64) -> String {
    let of = |was: Was| {
        let such = month
            .iter()
            .filter(|(number, _)| Webhooks::was(*number) == was);
        let ids: String = such
            .map(|(_, id)| format!(", {}", db.literal(*id)))
            .collect();
        format!("id IN (NULL{ids})")
    };
    let [processed, failed, in_outbox, in_retries] =
        [Was::Processed, Was::Failed, Was::InOutbox, Was::InRetries].map(of);
    let [from, to] = [at, at + 1].map(|at| db.literal(first_id(at)));
    let within = format!("id >= {from} AND id < {to}");
    let (time, now) = match db.is_sqlite() {
        true => (
            format!("strftime('%Y-%m-%dT%H:%M:%fZ', {at} / 1000.0, 'unixepoch')"),
            "CAST(unixepoch('subsec') * 1000 AS integer)",
        ),
        false => (
            format!("to_timestamp({at} / 1000.0)"),
            "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
        ),
    };
    let refused = db.literal(id(at, 0));
    format!(
        "UPDATE transactions SET created_at = {time} WHERE {within}; \
         UPDATE transactions SET status = 'PROCESSED', processed_at = {time} WHERE {processed}; \
         UPDATE transactions SET status = 'FAILED' WHERE {failed}; \
         INSERT INTO failures (id, verdict, reason, failed_at, attempts) \
           SELECT id, 'PERMANENT', 'HTTP 400', {time}, 1 FROM transactions WHERE {failed}; \
         INSERT INTO attempts (id, number, started_at, took_ms, outcome) \
           SELECT id, 1, {time}, 5, CASE status WHEN 'FAILED' THEN 'REFUSED' ELSE 'SUCCEEDED' END FROM transactions \
           WHERE {processed} OR {failed}; \
         INSERT INTO repeats (id, count, last_at) SELECT id, 1, {time} FROM transactions WHERE {processed}; \
         INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits) \
           SELECT id, {now} + {DUE_IN_MS}, {now}, 0, 0, 0, TRUE FROM transactions WHERE {in_retries}; \
         UPDATE outbox SET due_at = {now} + {DUE_IN_MS} WHERE {in_outbox}; \
         DELETE FROM outbox WHERE {processed} OR {failed} OR {in_retries}; \
         UPDATE conflicts SET received_at = {time} WHERE received_at > {time}; \
         INSERT INTO refusals (id, source, reason, size, hash, refused_at) \
           SELECT {refused}, '{}', 'mismatch', 9, body, {time} FROM payloads WHERE {within} LIMIT 1;",
        stripe::SOURCE
    )
}

/// An id of that time, in milliseconds since 1970.
fn id(at: u64, number: u32) -> Uuid {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&number.to_be_bytes());
    Builder::from_unix_timestamp_millis(at, &random).into_uuid()
}

/// Lower than every id of that time, and higher than those before it.
fn first_id(at: u64) -> Uuid {
    Uuid::from_u128(u128::from(at) << 80)
}

fn millis_ago(time: Duration) -> u64 {
    let then = SystemTime::now() - time;
    let then = then.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(then.as_millis()).unwrap_or(u64::MAX)
}
