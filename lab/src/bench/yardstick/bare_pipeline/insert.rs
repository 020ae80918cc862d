//! Batched inserts, one array per column.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use futures::future::try_join_all;
use sea_orm::sqlx::{self, postgres::PgPool};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::tuning::Tuning;
use crate::bench::load::Ids;

const INSERT: &str = "\
    INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) \
    ON CONFLICT (transaction_id) DO NOTHING";

/// Inserts `count` rows and passes their ids on, a committed batch at a time.
pub(super) async fn run(
    pool: &PgPool,
    count: u64,
    tuning: Tuning,
    inserted: mpsc::Sender<Vec<Uuid>>,
) -> Result<()> {
    let ids = Ids::unique();
    let next = AtomicU64::new(0);
    let inserters =
        (0..tuning.inserters).map(|_| inserter(pool, ids, &next, count, tuning, &inserted));
    try_join_all(inserters).await?;
    Ok(())
}

async fn inserter(
    pool: &PgPool,
    ids: Ids,
    next: &AtomicU64,
    count: u64,
    tuning: Tuning,
    inserted: &mpsc::Sender<Vec<Uuid>>,
) -> Result<()> {
    let mut connection = pool.acquire().await?;
    loop {
        let from = next.fetch_add(tuning.insert_batch, Ordering::Relaxed);
        let numbers = from..count.min(from + tuning.insert_batch);
        if numbers.is_empty() {
            return Ok(());
        }
        let rows = numbers.clone().count();
        let row_ids: Vec<Uuid> = numbers.clone().map(|_| Uuid::now_v7()).collect();
        let texts: Vec<String> = numbers.map(|number| ids.text(number)).collect();
        sqlx::query(INSERT)
            .bind(&row_ids)
            .bind(texts)
            .bind(vec!["acc_user_1"; rows])
            .bind(vec!["acc_merchant_1"; rows])
            .bind(vec![1500_i64; rows])
            .bind(vec!["INR"; rows])
            .execute(&mut *connection)
            .await?;
        inserted.send(row_ids).await?;
    }
}
