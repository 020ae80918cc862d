//! Whether pages show what there is: each transaction of a span once, and no other.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use serde_json::Value;

use super::questions::{FILTERS, Filter, time};
use crate::bench::{
    client::Client,
    site::{Site, history::History},
};

/// Transactions in the span, about.
const SPAN: u64 = 20_000;
/// Failures that an answer looks at.
const FAILURES_MAX: i64 = 5_000;

/// Goes from page to page with every filter, and counts all failures.
pub(super) async fn check(
    client: &Client,
    site: &Site,
    history: &History,
    random: &mut StdRng,
) -> Result<()> {
    for filter in &FILTERS {
        let walked = walk(client, site, filter, (history, random)).await;
        walked.with_context(|| format!("a walk by {}", filter.name))?;
    }
    let sql = "SELECT count(*) FROM failures";
    let there: i64 = site.one(sql, []).await?.context("no count")?;
    let told = client.show("/v1/failures").await?;
    let groups = told["data"].as_array().context("no groups")?;
    let counts = groups.iter().filter_map(|group| group["count"].as_i64());
    let (count, more) = (counts.sum::<i64>(), &told["more"]);
    ensure!(
        count == there.min(FAILURES_MAX) && *more == (there > FAILURES_MAX),
        "there are {there} failures, and {count} are told, more: {more}: the check failed"
    );
    Ok(())
}

async fn walk(
    client: &Client,
    site: &Site,
    filter: &Filter,
    (history, random): (&History, &mut StdRng),
) -> Result<()> {
    let span = history.span(SPAN, random);
    let (query, condition) = (filter.write)(random);
    let (from, to) = (time(span.start), time(span.end));
    let first = format!("/v1/transactions?limit=200&from={from}&to={to}{query}");
    let (mut seen, mut path) = (BTreeSet::new(), first.clone());
    loop {
        let page = client.show(&path).await?;
        for row in page["data"].as_array().context("no data")? {
            let id = ["source", "transaction_id"].map(|name| row[name].to_string());
            ensure!(seen.insert(id), "{row} came twice: the check failed");
        }
        match &page["next_cursor"] {
            Value::String(cursor) => path = format!("{first}&cursor={cursor}"),
            _ => break,
        }
    }
    let there = format!(
        "SELECT count(*) FROM transactions WHERE created_at >= $1::text::timestamptz \
         AND created_at < $2::text::timestamptz AND {condition}"
    );
    let there: Option<i64> = site.one(&there, [from.into(), to.into()]).await?;
    let found = i64::try_from(seen.len())?;
    ensure!(
        there == Some(found),
        "{first} comes to {found} of {there:?}: the check failed"
    );
    Ok(())
}
