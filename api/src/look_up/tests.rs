//! Look-ups of what is there, what else came, and what is kept no more.

use poem::{Body, http::Method};

use crate::scene::{
    execute,
    service::{Answer, OK, Service, request, sender},
};

const SPAN: &str = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
const ACCEPTED: u16 = 202;
const GONE: u16 = 410;
const NOT_FOUND: u16 = 404;
const UNCLEAR: u16 = 422;

async fn service() -> Service {
    Service::new([sender("stripe", "stripe")]).await
}

impl Service {
    /// A webhook of the built-in source.
    async fn pay(&self, id: &str, from: &str, amount: &str) -> Answer {
        let body = format!(
            r#"{{"transaction_id":"{id}","source_account":"{from}","destination_account":"b","amount":{amount},"currency":"INR"}}"#
        );
        let json = [("content-type", "application/json")];
        let path = "/v1/webhooks/transactions";
        let request = request(Method::POST, path, &json, Body::from_string(body));
        let answer = self.ask(request).await;
        assert_eq!(answer.status, ACCEPTED, "{answer:?}");
        answer
    }

    /// Finishes all there is.
    async fn finish(&self) {
        execute(
            &self.db,
            "DELETE FROM outbox; UPDATE transactions SET status = 'PROCESSED', processed_at = '2026-01-01T00:00:00.000Z'",
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_kept_no_more_is_gone_and_still_known() {
    let service = service().await;
    service.pay("t1", "a", "1").await;
    let event = r#"{"id":"evt_1","type":"charge.succeeded"}"#;
    assert_eq!(service.send("stripe", event).await.status, OK);
    service.finish().await;
    execute(&service.db, "DELETE FROM payloads").await;
    let of = "/v1/sources/stripe/transactions/evt_1";
    assert_eq!(service.get(of).await.status, OK);
    let bytes = service.get(&format!("{of}/payload")).await;
    bytes.assert_problem(GONE);
    assert_eq!(bytes.json()["transaction_status"], "PROCESSED");
    // It never had any.
    let none = "/v1/sources/transactions/transactions/t1/payload";
    service.get(none).await.assert_problem(NOT_FOUND);

    execute(&service.db, "DELETE FROM transactions").await;
    for path in ["/v1/transactions/t1", "/v1/transactions/t1/attempts", of] {
        let gone = service.get(path).await;
        gone.assert_problem(GONE);
        assert_eq!(gone.json()["transaction_status"], "PROCESSED", "{path}");
    }
    service
        .get("/v1/transactions/t2")
        .await
        .assert_problem(NOT_FOUND);
    let again = service.pay("t1", "a", "1").await.json();
    assert_eq!(
        (&again["duplicate"], &again["conflict"]),
        (&true.into(), &false.into())
    );
    assert_eq!(again["status"], "PROCESSED");
    let conflict = service.pay("t1", "a", "2").await.json();
    assert_eq!(conflict["conflict"], true);
    let conflicts = service.get("/v1/transactions/t1/conflicts").await.json();
    assert!(conflicts.get("stands").is_none());
    assert_eq!(conflicts["conflicts"][0]["amount"], 2);
}

#[tokio::test]
async fn what_came_again_is_told_where_it_says_something() {
    let service = service().await;
    service.pay("t1", "a", "1").await;
    let alone = service.get("/v1/transactions/t1").await.json();
    for absent in ["repeats", "conflicts"] {
        assert!(alone.get(absent).is_none(), "{absent}");
    }
    service.pay("t1", "a", "1").await;
    service.pay("t1", "a", "1.5").await;
    service.pay("t1", "eve", "1").await;
    let told = loop {
        let found = service.get("/v1/transactions/t1").await.json();
        if found.get("repeats").is_some() {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(told["repeats"]["count"], 3);
    assert!(told["repeats"]["last_at"].is_string());
    assert_eq!(told["conflicts"], 2);
    assert_eq!(told["amount"], 1);
    let beside = service.get("/v1/transactions/t1/conflicts").await.json();
    assert_eq!(beside["stands"]["source_account"], "a");
    assert_eq!(beside["conflicts"][0]["amount"], 1.5);
    assert_eq!(beside["conflicts"][1]["source_account"], "eve");
    assert_eq!(beside["more"], false);
    let of = service
        .get("/v1/sources/transactions/transactions/t1/conflicts")
        .await;
    assert_eq!(of.json(), beside);
    service
        .get("/v1/transactions/t2/conflicts")
        .await
        .assert_problem(NOT_FOUND);
}

#[tokio::test]
async fn a_span_is_exported_line_by_line() {
    let service = service().await;
    service.pay("t1", "=1+1", "-10.50").await;
    service.pay("t2", "a, b", "3").await;
    let csv = service.get(&format!("/v1/export?format=csv&{SPAN}")).await;
    assert_eq!(csv.status, OK);
    assert_eq!(
        csv.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let lines: Vec<&str> = csv.text().lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("source,transaction_id,type,"));
    assert!(
        lines[1].starts_with("transactions,t2,,\"a, b\",b,3,INR,PROCESSING,"),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with("transactions,t1,,'=1+1,b,-10.5,INR,PROCESSING,"),
        "{}",
        lines[2]
    );
    let json = service
        .get(&format!("/v1/export?account=%3D1%2B1&{SPAN}"))
        .await;
    let line: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(
        (&line["source_account"], &line["transaction_id"]),
        (&"=1+1".into(), &"t1".into())
    );
    let none = service
        .get("/v1/export?from=2000-01-01T00:00:00Z&to=2000-01-02T00:00:00Z")
        .await;
    assert_eq!((none.status, none.text()), (OK, ""));
    for query in ["", "format=xml", "limit=5", "from=2000-01-01T00:00:00Z"] {
        service
            .get(&format!("/v1/export?{query}"))
            .await
            .assert_problem(UNCLEAR);
    }
}

#[tokio::test]
async fn an_export_of_more_than_a_page_has_each_once() {
    let service = service().await;
    for n in 0..4 {
        service.pay(&format!("t{n}"), "a", "1").await;
    }
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1200) \
         INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
         SELECT unhex(printf('018d0cabc4417000800000000000%04x', n)), 'f' || n, 'a', 'b', '1', 'INR' FROM n";
    execute(&service.db, fill).await;
    let all = service.get(&format!("/v1/export?{SPAN}")).await;
    let ids: std::collections::BTreeSet<String> = all
        .text()
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["transaction_id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!((ids.len(), all.text().lines().count()), (1204, 1204));
}

#[tokio::test]
async fn a_span_is_summed_up_exactly() {
    let service = service().await;
    for (id, amount) in [("t1", "0.1"), ("t2", "0.2"), ("t3", "999999999999999.9999")] {
        service.pay(id, "a", amount).await;
    }
    let event = r#"{"id":"evt_1","type":"charge.succeeded"}"#;
    assert_eq!(service.send("stripe", event).await.status, OK);
    let all = service.get(&format!("/v1/summary?{SPAN}")).await;
    assert_eq!(all.status, OK, "{}", all.text());
    let data = all.json()["data"].clone();
    let ours = serde_json::json!({
        "source": "transactions", "currency": "INR", "status": "PROCESSING", "count": 3, "sum": "1000000000000000.2999"
    });
    let event = serde_json::json!({"source": "stripe", "status": "PROCESSING", "count": 1});
    assert_eq!(data, serde_json::json!([event, ours]));
    let by = service
        .get(&format!("/v1/summary?by=status&{SPAN}"))
        .await
        .json();
    let expected = serde_json::json!([{"status": "PROCESSING", "count": 4}]);
    assert_eq!(by["data"], expected);
    service
        .get("/v1/summary?by=account")
        .await
        .assert_problem(UNCLEAR);
}
