//! Questions that senders ask of a new address.

use source::{Credentials, Reason, Refusal, Reply, Secret, Settings, Source, Verdict};

use crate::sending::{Post, preset};

fn reply(post: &Post, source: &Source) -> Reply {
    post.verdict(source, |verdict| match verdict {
        Verdict::Handshake(reply) => reply,
        other => panic!("{other:?}"),
    })
}

fn text(body: &str) -> Reply {
    Reply {
        status: 200,
        content_type: Some("text/plain".to_owned()),
        body: body.to_owned(),
    }
}

#[test]
fn slack_is_sent_its_challenge_if_it_has_signed() {
    let slack = preset("slack", &["8f742231b10e8888abcd99yyyzzz85a5"]);
    let question = Post::new(r#"{"token":"t","type":"url_verification","challenge":"3eZbrw<b>"}"#);
    assert_eq!(
        reply(&question.clone().signed(&slack), &slack),
        text("3eZbrw<b>")
    );
    assert_eq!(question.reason(&slack), Reason::MissingHeader);
}

#[test]
fn zoom_is_told_the_mac_of_its_token() {
    let zoom = preset("zoom", &["another", "zm_secret"]);
    let signer = preset("zoom", &["zm_secret"]);
    let question = |token: &str| {
        let body = format!(
            r#"{{"event":"endpoint.url_validation","payload":{{"plainToken":"{token}"}}}}"#
        );
        Post::new(body).signed(&signer)
    };
    let answer = reply(&question("qgg8vlvZRS6UYooatFL8Aw"), &zoom);
    let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["plainToken"], "qgg8vlvZRS6UYooatFL8Aw");
    // printf %s qgg8vlvZRS6UYooatFL8Aw | openssl dgst -sha256 -hmac zm_secret
    assert_eq!(
        answer["encryptedToken"],
        "ee6cf38f4101e28a6b5dfd5f98ad42a5393f82223f89646ab149b4feff9d041f"
    );
    // Nothing is signed that could be the signature of an event.
    let event = question("v0:1790000000:{}");
    event.verdict(&zoom, |verdict| {
        assert!(matches!(verdict, Verdict::Genuine(_)), "{verdict:?}")
    });
}

#[test]
fn x_signs_tokens_and_nothing_else() {
    let x = preset("x", &["consumer_secret"]);
    assert!(
        reply(&Post::get("crc_token=9b4507b3"), &x)
            .body
            .contains("sha256=")
    );
    for query in [
        "crc_token=",
        "crc_token=%7B%22a%22%3A1%7D",
        "crc_token=a&crc_token=b",
        "",
        "crc_token=a.b",
    ] {
        let refusal = Post::get(query).refusal(&x);
        assert_eq!(
            refusal,
            Refusal {
                reason: Reason::Malformed,
                status: 405
            },
            "{query}"
        );
    }
    let long = format!("crc_token={}", "a".repeat(129));
    assert_eq!(Post::get(&long).refusal(&x).status, 405);
}

#[test]
fn meta_is_sent_its_challenge_if_it_knows_the_token() {
    let meta = |token: Option<&str>| {
        let credentials = Credentials {
            secrets: vec![Secret::from("app secret")],
            verify_token: token.map(Secret::from),
            ..Credentials::default()
        };
        let settings = Settings {
            preset: Some("meta".to_owned()),
            ..Settings::default()
        };
        Source::new(&settings, &credentials).unwrap()
    };
    let source = meta(Some("to ken"));
    let ask = |token: &str| {
        Post::get(&format!(
            "hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"
        ))
    };
    assert_eq!(reply(&ask("to%20ken"), &source), text("1158201444"));
    for post in [
        ask("token"),
        ask(""),
        ask("app%20secret"),
        Post::get("hub.mode=subscribe"),
        Post::get(""),
    ] {
        assert_eq!(post.refusal(&source).status, 403);
    }
    assert_eq!(ask("").refusal(&meta(None)).status, 403);
    // It is no key: what is signed with it is forged.
    let forger = preset("meta", &["to ken"]);
    assert_eq!(
        Post::new("{}").signed(&forger).reason(&source),
        Reason::Mismatch
    );
}

#[test]
fn xero_sends_no_events_to_see_who_refuses_them() {
    let xero = preset("xero", &["xero secret"]);
    let empty = Reply {
        status: 200,
        content_type: None,
        body: String::new(),
    };
    let none = Post::new(r#"{"events":[],"firstEventSequence":0}"#);
    assert_eq!(reply(&none.clone().signed(&xero), &xero), empty);
    let forged = none.header("x-xero-signature", "AAAA").refusal(&xero);
    assert_eq!(
        forged,
        Refusal {
            reason: Reason::Mismatch,
            status: 401
        }
    );
    let event = Post::new(
        r#"{"events":[{"resourceId":"r","tenantId":"t","eventType":"UPDATE","eventDateUtc":"2026-09-21T14:13:20.1"}]}"#,
    );
    let id = event.signed(&xero).id(&xero);
    assert_eq!(id, "t:r:UPDATE:2026-09-21T14:13:20.1");
    assert_eq!(xero.answer(), &empty);
}

#[test]
fn twitch_and_dropbox_are_sent_their_challenges() {
    let twitch = preset("twitch", &["s3cRe7"]);
    let kind = "Twitch-Eventsub-Message-Type";
    let question = Post::new(r#"{"challenge":"pogchamp","subscription":{}}"#);
    let asked = question
        .clone()
        .header(kind, "webhook_callback_verification")
        .signed(&twitch);
    assert_eq!(reply(&asked, &twitch), text("pogchamp"));
    let told = question.header(kind, "notification").signed(&twitch);
    assert_eq!(told.ids(&twitch).len(), 1);
    let dropbox = preset("dropbox", &["secret"]);
    assert_eq!(reply(&Post::get("challenge=a%26b"), &dropbox), text("a&b"));
    assert_eq!(Post::get("challenge=").refusal(&dropbox).status, 405);
}

#[test]
fn whoever_asks_nothing_is_told_to_post() {
    let trello = preset("trello", &["secret"]);
    let mut head = Post::get("");
    head.method = "HEAD";
    assert_eq!(reply(&head, &trello).status, 200);
    let stripe = preset("stripe", &["secret"]);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"] {
        head.method = method;
        let refusal = head.refusal(&stripe);
        assert_eq!(
            refusal,
            Refusal {
                reason: Reason::Malformed,
                status: 405
            },
            "{method}"
        );
    }
    // What one sender asks is an event like any other to another one.
    let question = Post::new(r#"{"id":"1","type":"url_verification","challenge":"c"}"#);
    assert_eq!(question.signed(&stripe).id(&stripe), "1");
}
