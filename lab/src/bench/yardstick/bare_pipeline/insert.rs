//! Batched inserts, one array per column.

use std::ops::Range;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sea_orm::sqlx::{self, postgres::PgPool};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::bench::load::Ids;

/// Rows per insert.
const BATCH: usize = 512;
/// Connections that insert.
pub(super) const INSERTERS: usize = 2;

const INSERT: &str = "\
    INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) \
    ON CONFLICT (transaction_id) DO NOTHING";

/// Inserts `count` rows and passes their ids on, a committed batch at a time.
pub(super) async fn run(
    pool: &PgPool,
    count: u64,
    inserted: mpsc::Sender<Vec<Uuid>>,
) -> Result<()> {
    let ids = Ids::unique();
    let batches = (0..count).step_by(BATCH);
    let batches = batches.map(|from| insert(pool, ids, from..count.min(from + BATCH as u64)));
    let mut batches = stream::iter(batches).buffer_unordered(INSERTERS);
    while let Some(ids) = batches.try_next().await? {
        inserted.send(ids).await?;
    }
    Ok(())
}

async fn insert(pool: &PgPool, ids: Ids, numbers: Range<u64>) -> Result<Vec<Uuid>> {
    let row_ids: Vec<Uuid> = numbers.clone().map(|_| Uuid::now_v7()).collect();
    let texts: Vec<String> = numbers.map(|number| ids.text(number)).collect();
    let rows = row_ids.len();
    sqlx::query(INSERT)
        .bind(&row_ids)
        .bind(texts)
        .bind(vec!["acc_user_1"; rows])
        .bind(vec!["acc_merchant_1"; rows])
        .bind(vec![1500_i64; rows])
        .bind(vec!["INR"; rows])
        .execute(pool)
        .await?;
    Ok(row_ids)
}
