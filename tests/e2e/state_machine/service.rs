//! The service under test: the real binary on a file of its own, and a witness of all it says.

use std::{collections::BTreeMap, time::Duration};

use entity::transaction;
use futures::future::join_all;
use proptest_state_machine::StateMachineTest;
use rustix::process::Signal;
use sea_orm::EntityTrait;
use serde_json::{Value, value::RawValue};
use tokio::runtime::Runtime;

use super::{
    model::{Model, Transition, Webhook},
    witness::{Answer, Transaction, Witness},
};
use crate::{
    harness::Harness,
    processes::{Process, run},
};

/// How often a sender that is told to come back does so, and how long it waits before.
const TRIES_MAX: usize = 20;
const COME_BACK_AFTER: Duration = Duration::from_millis(50);

pub(super) struct Service {
    runtime: Runtime,
    harness: Harness,
    process: Option<Process>,
    witness: Witness,
}

/// `None` if there was no answer, or the one that it should be sent again.
async fn send_once(client: &reqwest::Client, api: &str, webhook: Webhook) -> Option<Answer> {
    let request = client
        .post(format!("{api}/v1/webhooks/transactions"))
        .header("content-type", "application/json")
        .body(webhook.body());
    let response = request.send().await.ok()?;
    if response.status() == 503 {
        return None;
    }
    assert_eq!(response.status(), 202, "{webhook:?}");
    // The process may die between head and body.
    let answer: Value = response.json().await.ok()?;
    assert_eq!(answer["transaction_id"], format!("t{}", webhook.id));
    Some(Answer {
        processed: answer["status"] == "PROCESSED",
        duplicate: answer["duplicate"] == true,
        conflict: answer["conflict"] == true,
    })
}

impl Service {
    fn api(&self) -> String {
        self.process.as_ref().unwrap().url()
    }

    /// Sends them at once, each until it is accepted.
    async fn send(&mut self, webhooks: &[Webhook]) {
        let (client, api) = (&self.harness.client, &self.api());
        let tries = join_all(webhooks.iter().map(async |webhook| {
            let mut tries = Vec::new();
            while tries.len() < TRIES_MAX {
                let answer = send_once(client, api, *webhook).await;
                tries.push((*webhook, answer));
                if answer.is_some() {
                    return tries;
                }
                tokio::time::sleep(COME_BACK_AFTER).await;
            }
            panic!("{webhook:?} is never accepted");
        }));
        self.witness.heard(&tries.await.concat());
    }

    /// Kills the process while these are under way.
    async fn crash(&mut self, under_way: Vec<Webhook>, after: Duration) {
        let api = self.api();
        let sent = under_way.into_iter().map(|webhook| {
            let (client, api) = (self.harness.client.clone(), api.clone());
            tokio::spawn(async move { (webhook, send_once(&client, &api, webhook).await) })
        });
        let sent: Vec<_> = sent.collect();
        tokio::time::sleep(after).await;
        self.process.take().unwrap().kill().await;
        let answers = join_all(sent).await.into_iter();
        let answers: Vec<_> = answers.map(Result::unwrap).collect();
        self.witness.heard(&answers);
    }

    async fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal(Signal::TERM);
        assert_eq!(process.ended().await, Some(0), "{}", process.log());
    }

    async fn start(&mut self) {
        self.process = Some(self.harness.process("").await);
    }

    async fn start_a_second(&self) {
        let ended = run(self.harness.folder.path(), &[], &self.harness.environment).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let sentence = ended.stderr.lines().last().unwrap();
        assert!(sentence.contains("another hookline"), "{sentence}");
    }

    async fn look_up(&self, id: u8) -> Option<Transaction> {
        let url = format!("{}/v1/transactions/t{id}", self.api());
        let response = self.harness.get(&url).await;
        if response.status() == 404 {
            return None;
        }
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        // As text, because an amount has more digits than a floating-point number.
        let raw: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
        let field = |name: &str| raw[name].get().trim_matches('"').to_owned();
        assert_eq!(field("transaction_id"), format!("t{id}"));
        Some(Transaction {
            content: [
                "source_account",
                "destination_account",
                "amount",
                "currency",
            ]
            .map(field),
            status: field("status"),
            created_at: field("created_at"),
            processed_at: Some(field("processed_at")).filter(|time| time != "null"),
        })
    }

    /// Looks up every id that was ever sent.
    async fn look_up_all(&mut self, model: &Model) {
        let found = join_all(model.known.keys().map(|id| self.look_up(*id))).await;
        for ((id, known), found) in model.known.iter().zip(found) {
            assert!(found.is_some() || !known.committed, "t{id} is lost");
            self.witness.saw(*id, known, found);
        }
    }

    /// When nothing is left to do, the tables hold what was answered and nothing else.
    async fn check_tables(&self) {
        let db = self.harness.database().await;
        let rows = transaction::Entity::find().all(&db).await.unwrap();
        self.witness.check_transactions(&rows);
        self.witness
            .check_conflicts(&self.harness.conflicts().await);
    }
}

impl StateMachineTest for Service {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let delay = if model.slow { "50ms" } else { "0s" };
        let mut harness = Harness::embedded();
        harness.environment.insert("PROCESSING_DELAY", delay.into());
        let runtime = Runtime::new().unwrap();
        let process = runtime.block_on(harness.process(""));
        Self {
            runtime,
            harness,
            process: Some(process),
            witness: Witness::default(),
        }
    }

    fn apply(mut service: Self, model: &Model, transition: Transition) -> Self {
        let handle = service.runtime.handle().clone();
        handle.block_on(async {
            match transition {
                Transition::Send(webhook)
                | Transition::SendAgain(webhook)
                | Transition::SendConflict(webhook) => service.send(&[webhook]).await,
                Transition::SendMany(webhooks) => service.send(&webhooks).await,
                Transition::LookUp(id) => {
                    let found = service.look_up(id).await;
                    assert!(found.is_none() || model.known.contains_key(&id), "t{id}?");
                }
                Transition::Crash {
                    under_way,
                    after_ms,
                } => {
                    service
                        .crash(under_way, Duration::from_millis(after_ms))
                        .await
                }
                Transition::Stop => service.stop().await,
                Transition::Restart => service.start().await,
                Transition::StartSecondProcess => service.start_a_second().await,
            }
            if service.process.is_some() {
                service.look_up_all(model).await;
            }
        });
        service
    }

    fn teardown(mut service: Self, model: Model) {
        let handle = service.runtime.handle().clone();
        handle.block_on(async {
            if service.process.is_none() {
                service.start().await;
            }
            service.harness.settled().await;
            service.look_up_all(&model).await;
            service.check_tables().await;
            service.stop().await;
        });
    }
}
