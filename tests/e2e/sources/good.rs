//! What is genuine.

use serde_json::json;

use super::scene::{Sender, post, processed, vector, with_file, with_stripe};
use crate::{
    downstream::server::Downstream,
    harness::{Harness, on_both},
};

on_both! {
    an_event_goes_its_way_byte_for_byte
    a_repeat_with_a_new_signature_is_the_same_event
    the_same_id_of_two_sources_is_two_events
    any_of_several_secrets_and_of_several_signatures_proves
    a_secret_is_what_its_sender_takes_it_for
    every_item_of_a_batch_is_a_transaction
    the_built_in_source_can_be_given_a_secret
    questions_are_answered_and_store_nothing
}

/// Numbers and escapes that no two libraries write alike.
const EVENT: &str = "{\"id\":\"evt_8\",\"type\":\"charge.succeeded\",\"amount\":1.10,\"path\":\"\\/x\",\"sign\":\"\\u20b9\",\"text\":\"ü\"}\n";

async fn an_event_goes_its_way_byte_for_byte(harness: &mut Harness) {
    let downstream = Downstream::start_by_key(|_| (200, std::time::Duration::ZERO)).await;
    harness
        .environment
        .insert("PROCESS_URL", downstream.url.clone());
    with_stripe(harness);
    let api = harness.start("").await.url();
    let stripe = Sender::stripe();
    let mut headers = stripe.sign(EVENT.as_bytes(), 0);
    headers.push((
        "content-type".into(),
        "application/json; charset=utf-8".into(),
    ));
    let answer = post(harness, &api, "stripe", &headers, EVENT).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "");
    let found = processed(harness, &api, "stripe", "evt_8").await;
    assert_eq!(found["source"], "stripe");
    assert_eq!(found["type"], "charge.succeeded");
    let url = format!("{api}/v1/sources/stripe/transactions/evt_8");
    let shown = harness.get(&url).await.text().await.unwrap();
    assert!(
        shown.contains(&format!("\"payload\":{}", EVENT.trim())),
        "{shown}"
    );
    let bytes = harness.get(&format!("{url}/payload")).await;
    assert_eq!(
        bytes.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    assert_eq!(bytes.text().await.unwrap(), EVENT);
    let calls = downstream.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, EVENT);
}

async fn a_repeat_with_a_new_signature_is_the_same_event(harness: &mut Harness) {
    with_stripe(harness);
    let api = harness.start("").await.url();
    let stripe = Sender::stripe();
    for seconds_ago in [10, 5, 0] {
        let headers = stripe.sign(EVENT.as_bytes(), seconds_ago);
        let answer = post(harness, &api, "stripe", &headers, EVENT).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "");
    }
    processed(harness, &api, "stripe", "evt_8").await;
    assert_eq!(harness.rows().await, 1);
    assert_eq!(harness.conflicts().await, []);
}

async fn the_same_id_of_two_sources_is_two_events(harness: &mut Harness) {
    with_stripe(harness);
    with_file(
        harness,
        "[sources.acme]\npreset = 'stripe'\nsecret_literals = ['the secret of acme']",
    );
    let api = harness.start("").await.url();
    let acme = Sender::new("acme", "stripe", "the secret of acme");
    Sender::stripe().send_well(harness, &api, EVENT).await;
    let url = format!("{api}/v1/sources/acme/transactions/evt_8");
    for what in ["", "/payload", "/attempts"] {
        let answer = harness.get(&format!("{url}{what}")).await;
        assert_eq!(answer.status(), 404, "{what}");
    }
    acme.send_well(harness, &api, EVENT).await;
    for source in ["stripe", "acme"] {
        processed(harness, &api, source, "evt_8").await;
    }
    assert_eq!(harness.rows().await, 2);
    let nobodys = harness.get(&format!("{api}/v1/transactions/evt_8")).await;
    assert_eq!(nobodys.status(), 404);
}

async fn any_of_several_secrets_and_of_several_signatures_proves(harness: &mut Harness) {
    with_file(
        harness,
        "[sources.stripe]\nsecret_literals = ['the new secret', 'the old secret']",
    );
    let api = harness.start("").await.url();
    for (secret, status) in [
        ("the old secret", 200),
        ("the new secret", 200),
        ("a third secret", 401),
    ] {
        let sender = Sender::new("stripe", "stripe", secret);
        let answer = sender.send(harness, &api, EVENT).await;
        assert_eq!(answer.status(), status, "{secret}");
    }
    // The good one is in the middle, then beside an older kind alone.
    let headers = Sender::new("stripe", "stripe", "the old secret").sign(EVENT.as_bytes(), 0);
    let (time, mac) = headers[0].1.split_once(",v1=").unwrap();
    let other = "0".repeat(64);
    for (value, status) in [
        (format!("{time},v1={other},v1={mac},v1={other}"), 200),
        (format!("{time},v0={mac}"), 401),
        (format!("{time},v0={mac},v1={other}"), 401),
    ] {
        let headers = [(headers[0].0.clone(), value)];
        let answer = post(harness, &api, "stripe", &headers, EVENT).await;
        assert_eq!(answer.status(), status, "{headers:?}");
    }
    processed(harness, &api, "stripe", "evt_8").await;
}

/// Stripe takes `whsec_` for a part of its key, and Standard Webhooks what follows it for base64.
async fn a_secret_is_what_its_sender_takes_it_for(harness: &mut Harness) {
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const BYTES: &[u8] = b"\x0b\x61\x55\xb0\x14\x08\x86\xbb\x1c\x0a\x19\x50\x20\xc5\x7e\x6f\x9b\x12\x62\xca\x68\x6f\xba\x03";
    let environment = &mut harness.environment;
    environment.insert("SOURCE_STRIPE_SECRET", SECRET.into());
    environment.insert("SOURCE_STANDARD_WEBHOOKS_SECRET", SECRET.into());
    let api = harness.start("").await.url();
    for (name, other) in [
        ("stripe", "standard-webhooks"),
        ("standard-webhooks", "stripe"),
    ] {
        let genuine = Sender::new(name, name, SECRET);
        genuine.send_well(harness, &api, EVENT).await;
        let verify = key_read_otherwise(name, BYTES);
        let answer = verify.send(harness, &api, EVENT).await;
        assert_eq!(answer.status(), 401, "{name} as {other}");
    }
}

/// A sender that reads the key's text as the other of the two does.
fn key_read_otherwise(name: &'static str, bytes: &[u8]) -> Sender {
    use source::{Algorithm, Encoding, Hash, KeyForm, Scheme, Settings, Unit, Verify};
    let scheme = Scheme {
        algorithm: Algorithm::Hmac(Hash::Sha256),
        signature: String::new(),
        separator: None,
        prefix: String::new(),
        encoding: Encoding::Hex,
        signed: String::new(),
        key: KeyForm::Hex,
        time: None,
        unit: Unit::Seconds,
        tolerance: None,
        id: None,
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (scheme, secret) = match name {
        "stripe" => (
            Scheme {
                signature: "Stripe-Signature".into(),
                separator: Some(','),
                prefix: "v1=".into(),
                signed: "{time}.{body}".into(),
                time: Some("item:t".into()),
                ..scheme
            },
            hex,
        ),
        _ => (
            Scheme {
                signature: "webhook-signature".into(),
                separator: Some(' '),
                prefix: "v1,".into(),
                encoding: Encoding::Base64,
                signed: "{header:webhook-id}.{time}.{body}".into(),
                key: KeyForm::Utf8,
                time: Some("header:webhook-timestamp".into()),
                ..scheme
            },
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(),
        ),
    };
    let settings = Settings {
        verify: Some(Verify::Signature(scheme)),
        id: Some("header:webhook-id".into()),
        ..Settings::default()
    };
    Sender::of(name, &settings, &secret)
}

async fn every_item_of_a_batch_is_a_transaction(harness: &mut Harness) {
    let secret = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
    harness
        .environment
        .insert("SOURCE_ADYEN_SECRET", secret.into());
    let api = harness.start("").await.url();
    let (_, body) = vector("ADYEN2");
    let items = body.matches("\"NotificationRequestItem\"").count() as u64;
    for _ in 0..2 {
        let answer = post(harness, &api, "adyen", &[], body.clone()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "[accepted]");
    }
    assert_eq!(harness.rows().await, items);
    // One of them changed, none at all, and one without its signature.
    let changed = body.replacen("\"value\":2260", "\"value\":2261", 1);
    assert_ne!(changed, body);
    let signature = body.find("\"additionalData\":{").unwrap();
    let end = signature + body[signature..].find('}').unwrap() + 1;
    let unsigned = format!(
        "{}\"additionalData\":null{}",
        &body[..signature],
        &body[end..]
    );
    let fresh = body.replace("\"eventCode\":\"", "\"eventCode\":\"NEW_");
    for wrong in [
        changed,
        unsigned,
        fresh,
        r#"{"live":"false","notificationItems":[]}"#.to_owned(),
    ] {
        let answer = post(harness, &api, "adyen", &[], wrong).await;
        assert_eq!(answer.status(), 401);
    }
    assert_eq!(harness.rows().await, items);
}

async fn the_built_in_source_can_be_given_a_secret(harness: &mut Harness) {
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    harness
        .environment
        .insert("SOURCE_TRANSACTIONS_SECRET", SECRET.into());
    let api = harness.start("").await.url();
    let body = crate::harness::webhook("t1").to_string();
    let answer = harness.post(&api, body.clone()).await;
    crate::bad_input::problem(answer, 401).await;
    assert_eq!(harness.rows().await, 0);
    let sender = Sender::new("transactions", "standard-webhooks", SECRET);
    let mut headers = sender.sign(body.as_bytes(), 0);
    headers.push(("content-type".into(), "application/json".into()));
    let answer = post(harness, &api, "transactions", &headers, body).await;
    assert_eq!(answer.status(), 202);
    let accepted: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        accepted,
        json!({"transaction_id": "t1", "status": "PROCESSING", "duplicate": false, "conflict": false})
    );
    harness.processed(&api, "t1").await;
}

async fn questions_are_answered_and_store_nothing(harness: &mut Harness) {
    let environment = &mut harness.environment;
    environment.insert("SOURCE_DROPBOX_SECRET", "the secret of dropbox".into());
    environment.insert("SOURCE_SLACK_SECRET", "the secret of slack".into());
    environment.insert("SOURCE_XERO_SECRET", "the secret of xero".into());
    let api = harness.start("").await.url();
    let url = format!("{api}/v1/webhooks/dropbox?challenge=%3Cscript%3E");
    let answer = harness.get(&url).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.text().await.unwrap(), "<script>");

    let slack = Sender::new("slack", "slack", "the secret of slack");
    let asks = r#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRN"}"#;
    let answer = slack.send(harness, &api, asks).await;
    assert_eq!(answer.text().await.unwrap(), "3eZbrw1aBm2rZgRN");
    let unsigned = post(harness, &api, "slack", &[], asks).await;
    assert_eq!(unsigned.status(), 401);

    let none = r#"{"events":[],"entropy":"S0m3r4nd0mt3xt"}"#;
    let xero = Sender::new("xero", "xero", "the secret of xero");
    let answer = xero.send(harness, &api, none).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("set-cookie"), None);
    assert_eq!(answer.text().await.unwrap(), "");
    let wrong = Sender::new("xero", "xero", "another secret");
    let answer = wrong.send(harness, &api, none).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.text().await.unwrap(), "");
    assert_eq!(harness.rows().await, 0);
}
