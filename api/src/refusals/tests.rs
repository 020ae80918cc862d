use std::{sync::Arc, time::Duration};

use entity::refusal;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use source::{Credentials, Secret, Settings, Source, Verdict};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::scene::{database, service::sender};

const BODY: &[u8] = b"{}";

fn sender_with(name: &str, secret: &str) -> Arc<Sender> {
    let settings = Settings {
        preset: Some("stripe".into()),
        ..Settings::default()
    };
    let credentials = Credentials {
        secrets: vec![Secret::from(secret)],
        ..Credentials::default()
    };
    Arc::new(Sender {
        name: name.into(),
        source: Source::new(&settings, &credentials).unwrap(),
        body_bytes_max: 1024,
        public_url: None,
        silent_after: None,
    })
}

fn request<'a>(headers: &'a [(&'a str, &'a [u8])]) -> Request<'a> {
    Request {
        method: "POST",
        url: "",
        query: "",
        headers,
        body: BODY,
        now: OffsetDateTime::now_utc(),
    }
}

/// The hint for what is signed with `secret` and sent to the first of these sources.
fn hint_for(secret: &str, sources: [(&str, &str); 3]) -> Option<String> {
    let signed = sender_with("sender", secret).source.sign(&request(&[]));
    let signed = signed.unwrap();
    let headers = [(signed[0].0.as_str(), signed[0].1.as_bytes())];
    let request = request(&headers);
    let all = sources.map(|(name, secret)| sender_with(name, secret));
    let first = all[0].clone();
    let Verdict::Refused(refusal) = first.source.judge(&request) else {
        panic!("it is genuine");
    };
    let sources = Sources::new(all, Vec::new());
    hint((&sources, &first), &request, refusal.reason)
}

#[test]
fn a_hint_says_what_an_operator_may_have_done_wrong_and_no_secret() {
    let others = [("b", "s3cret of b"), ("c", "s3cret of c")];
    let of = |signed: &str, given: &str| hint_for(signed, [("a", given), others[0], others[1]]);
    let padded = of("s3cret of a", "s3cret of a\n").unwrap();
    assert!(padded.contains("white space"), "{padded}");
    let swapped = of("s3cret of c", "s3cret of a").unwrap();
    assert_eq!(swapped, "it fits with a secret of the source c");
    assert_eq!(of("nobody's s3cret", "s3cret of a"), None);
    assert!(!padded.contains("s3cret"));
}

#[tokio::test]
async fn nobody_waits_for_the_ledger() {
    let (ledger, lines) = channel();
    let sender = sender("stripe", "stripe");
    let sources = Sources::default();
    let refusal = source::Refusal {
        reason: Reason::Mismatch,
        status: 401,
    };
    let note = || ledger.note((&sources, &sender), &request(&[]), &refusal);
    for _ in 0..100 {
        note();
    }
    // Nobody writes, so the channel is full at last.
    let free = ledger.lines.capacity();
    assert_eq!(free, LINES_MAX - 10);
    let fill = Refusal::new("stripe".parse().unwrap(), "mismatch", None, BODY);
    for _ in 0..free {
        ledger.lines.try_send(fill.clone()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(1001));
    note();
    let not_written = with(&lines.counts, Counts::take_not_written);
    assert_eq!(not_written, [("stripe".into(), 91, "mismatch 101".into())]);
}

#[tokio::test]
async fn what_waits_at_the_end_is_written() {
    let db = database().await;
    let (ledger, lines) = channel();
    for _ in 0..300 {
        let line = Refusal::new("stripe".parse().unwrap(), "mismatch", None, BODY);
        ledger.lines.try_send(line).unwrap();
    }
    drop(ledger);
    let stop = CancellationToken::new();
    stop.cancel();
    run(db.clone(), lines, stop).await;
    assert_eq!(refusal::Entity::find().count(&db).await.unwrap(), 300);
}
