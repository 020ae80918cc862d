//! Readers who look at transactions while everything around breaks, by `GET` and by SQL.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::sync::watch;

use super::{
    history::{By, History, Seen},
    stop::stops_within,
    webhook::Webhooks,
    world::Db,
};
use crate::stripe;

/// Between two looks by `GET`.
const GET_EVERY: Duration = Duration::from_millis(50);
/// Between two looks by SQL.
const SQL_EVERY: Duration = Duration::from_millis(1000);
/// How long a reader waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who looks at what.
pub(super) struct Observer {
    pub(super) apis: Vec<SocketAddr>,
    pub(super) db: Db,
    pub(super) webhooks: Webhooks,
    pub(super) history: Arc<History>,
    pub(super) seed: u64,
}

/// The most that was ever found in one look, of what must be none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worst {
    pub(super) unguarded: u64,
    pub(super) orphaned: u64,
    pub(super) idle_in_transaction: u64,
}

#[derive(Deserialize)]
struct Transaction {
    status: String,
    processed_at: Option<String>,
}

impl Observer {
    /// Looks until `stop` says so, and once more at everything that was seen by `GET`; then everything must be quiet.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) -> Result<Worst> {
        let (got, worst) = tokio::join!(self.get(stop.clone()), self.query(stop));
        got?;
        Ok(worst)
    }

    async fn get(&self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let http = client()?;
        let mut random = StdRng::seed_from_u64(!self.seed);
        let mut asked = Vec::new();
        while !stops_within(&mut stop, GET_EVERY).await {
            if let Some(number) = self.history.some_accepted(random.random_range(0..1 << 20)) {
                let api = self.apis[random.random_range(0..self.apis.len())];
                if let Some(seen) = self.look(&http, api, number).await {
                    self.history.see([seen]);
                    asked.push(number);
                }
            }
        }
        asked.sort_unstable();
        asked.dedup();
        for number in asked {
            for api in &self.apis {
                if let Some(seen) = self.look(&http, *api, number).await {
                    self.history.see([seen]);
                    break;
                }
            }
        }
        Ok(())
    }

    /// One look; `None` if there was no answer, or a 503.
    async fn look(&self, http: &reqwest::Client, api: SocketAddr, number: u32) -> Option<Seen> {
        let source = match Webhooks::is_signed(number) {
            true => format!("/sources/{}", stripe::SOURCE),
            false => String::new(),
        };
        let id = self.webhooks.id(number);
        let url = format!("http://{api}/v1{source}/transactions/{id}");
        let response = http.get(url).send().await.ok()?;
        let (status, processed_at) = match response.status() {
            StatusCode::OK => {
                let transaction: Transaction = response.json().await.ok()?;
                (Some(transaction.status), transaction.processed_at)
            }
            StatusCode::NOT_FOUND => (None, None),
            _ => return None,
        };
        Some(Seen {
            number,
            by: By::Get,
            status,
            processed_at,
        })
    }

    async fn query(&self, mut stop: watch::Receiver<bool>) -> Worst {
        let mut worst = Worst::default();
        while !stops_within(&mut stop, SQL_EVERY).await {
            // While the database is away, there is nothing to see.
            if let Ok(finals) = self.db.some_finals(&self.webhooks).await {
                self.history.see(finals);
            }
            if let Ok(now) = self.db.unfinished().await {
                worst.unguarded = worst.unguarded.max(now.unguarded.unsigned_abs());
                worst.orphaned = worst.orphaned.max(now.orphaned.unsigned_abs());
            }
            if let Ok(idle) = self.db.idle_in_transaction().await {
                worst.idle_in_transaction = worst.idle_in_transaction.max(idle.unsigned_abs());
            }
        }
        worst
    }
}

fn client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    client.build().context("no HTTP client")
}
