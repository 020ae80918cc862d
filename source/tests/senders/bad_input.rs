//! What is no genuine event, or not one that can be read: each is refused, and a genuine one after it is taken.

use source::{Reason, Refusal, Source};

use crate::{
    sending::{Post, build, preset},
    vector::vector,
};

const SECRET: &str = "whsec_test_secret";
const BODY: &str = r#"{"id":"evt_1","type":"charge.succeeded","created":1790000000}"#;
/// Of the body, at that time.
const MAC: &str = "547365b6250407a7f90c508c8d744a1fa9f97ff5697677b1d1d4c4b76e8d7daf";

fn stripe() -> Source {
    preset("stripe", &[SECRET])
}

fn with_signature(value: impl AsRef<[u8]>) -> Post {
    Post::new(BODY).header("stripe-signature", value)
}

#[test]
fn a_header_that_cannot_be_read_is_refused() {
    let stripe = stripe();
    for (header, reason) in [
        ("", Reason::Malformed),
        ("t", Reason::Malformed),
        (",,", Reason::Malformed),
        ("t,,", Reason::Malformed),
        ("t,v1=,v0=", Reason::Malformed),
        ("t=,v1=MAC", Reason::Malformed),
        ("v1=MAC", Reason::Malformed),
        ("t=1790000000", Reason::Malformed),
        ("t=99999999999999999999,v1=MAC", Reason::Malformed),
        ("t=+1790000000,v1=MAC", Reason::Malformed),
        ("t=1.79e9,v1=MAC", Reason::Malformed),
        ("t=01790000000,v1=MAC", Reason::Malformed),
        ("t=-1790000000,v1=MAC", Reason::Malformed),
        ("t=1790000000,t=1790000001,v1=MAC", Reason::Malformed),
        ("t=1790000000,v1=zz", Reason::Malformed),
        ("t=1790000000,v1=MACa", Reason::Malformed),
        ("t=1790000000;v1=MAC", Reason::Malformed),
        ("t=1790000000,V1=MAC", Reason::Malformed),
        ("t=1790000000,v1=MACaa", Reason::Mismatch),
        ("t=1790000000,v1=54", Reason::Mismatch),
        ("t=1790000001,v1=MAC", Reason::Mismatch),
        // The right one, in another encoding.
        (
            "t=1790000000,v1=VHNltiUEB6f5DFCMjXRKH6n5f/VpdnexU dTEt26Nfa8=",
            Reason::Malformed,
        ),
    ] {
        let post = with_signature(header.replace("MAC", MAC));
        assert_eq!(
            post.refusal(&stripe),
            Refusal {
                reason,
                status: 401
            },
            "{header}"
        );
    }
    assert_eq!(Post::new(BODY).reason(&stripe), Reason::MissingHeader);
    let genuine = with_signature(format!("t=1790000000,v1={MAC}"));
    assert_eq!(genuine.id(&stripe), "evt_1");
}

#[test]
fn white_space_and_capital_letters_do_not_hurt() {
    let stripe = stripe();
    for header in [
        format!(" t=1790000000 , v1= {MAC} "),
        format!("v1={},t=1790000000", MAC.to_uppercase()),
        format!("scheme=x,t=1790000000,v0=00,v1={MAC},v2="),
    ] {
        assert_eq!(with_signature(&header).id(&stripe), "evt_1", "{header}");
    }
}

#[test]
fn a_header_beyond_ascii_is_refused() {
    let stripe = stripe();
    for header in [
        &b"t=1790000000,v1=\xff\xfe"[..],
        "t=1790000000,v1=ß".as_bytes(),
        b"t=1\x00",
        b"\r\n",
    ] {
        assert_eq!(with_signature(header).reason(&stripe), Reason::Malformed);
    }
    let token = preset("gitlab", &["token-ß-token"]);
    let post = Post::new("{}").header("Idempotency-Key", "k-1");
    assert_eq!(
        post.clone()
            .header("X-Gitlab-Token", b"\xff")
            .reason(&token),
        Reason::Mismatch
    );
    assert_eq!(
        post.header("X-Gitlab-Token", "token-ß-token").id(&token),
        "k-1"
    );
}

#[test]
fn of_several_signature_headers_one_must_fit() {
    let stripe = stripe();
    let good = format!("t=1790000000,v1={MAC}");
    for (headers, fits) in [
        (vec!["t=1790000000,v1=00", &good], true),
        (vec![&good, "t=1,v1=00"], true),
        (vec![&good, ""], true),
        // The time of one is not the time of another.
        (vec!["t=1790000000", &format!("v1={MAC}")], false),
        (vec![&good, "1", "2", "3", "4"], false),
    ] {
        let mut post = Post::new(BODY);
        for header in &headers {
            post = post.header("Stripe-Signature", header);
        }
        if fits {
            assert_eq!(post.id(&stripe), "evt_1", "{headers:?}");
        } else {
            assert_eq!(post.reason(&stripe), Reason::Malformed, "{headers:?}");
        }
    }
}

#[test]
fn an_id_or_a_time_that_is_there_twice_is_refused() {
    for (id, header) in [
        ("SW3", "webhook-id"),
        ("SW3", "webhook-timestamp"),
        ("ZOOM1", "x-zm-request-timestamp"),
        ("SHOPIFY1", "x-shopify-webhook-id"),
        ("CDP1", "X-Event-ID"),
    ] {
        let vector = vector(id);
        let mut post = Post::new(&vector.body);
        for (name, value) in &vector.headers {
            post = post.header(name, value);
        }
        let source = vector.source();
        assert!(!post.ids(&source).is_empty());
        let twice = post.header(header, "2");
        assert_eq!(
            twice.refusal(&source),
            Refusal {
                reason: Reason::Malformed,
                status: 401
            },
            "{id}"
        );
    }
}

#[test]
fn a_genuine_event_without_an_id_is_unreadable() {
    let stripe = stripe();
    for body in [
        r#"{"type":"x"}"#,
        r#"{"id":"","type":"x"}"#,
        r#"{"id":"  "}"#,
        r#"{"id":"\u0000"}"#,
        r#"{"id":"\ud800"}"#,
        r#"{"id":null}"#,
        r#"{"id":true}"#,
        r#"{"id":{}}"#,
        r#"{"id":["evt_1"]}"#,
        r#"{"ID":"evt_1"}"#,
        r#"{"id":"evt_1"} trailing"#,
        r#"{"id":"evt_1""#,
        "null",
        "[]",
        "\"x\"",
        "1",
        "",
        "id=evt_1",
        "\u{feff}{\"id\":\"evt_1\"}",
    ] {
        let post = Post::new(body).signed(&stripe);
        assert_eq!(
            post.refusal(&stripe),
            Refusal {
                reason: Reason::Unreadable,
                status: 422
            },
            "{body}"
        );
    }
    let post = Post::new(b"{\"id\":\"evt_\xff\"}").signed(&stripe);
    assert_eq!(post.reason(&stripe), Reason::Unreadable);
    let next = Post::new(r#"{"id":"evt_9"}"#).signed(&stripe);
    assert_eq!(next.id(&stripe), "evt_9");
}

#[test]
fn an_id_that_no_column_holds_is_known_by_its_hash() {
    let stripe = stripe();
    let id = |id: &str| {
        Post::new(format!(r#"{{"id":{id}}}"#))
            .signed(&stripe)
            .id(&stripe)
    };
    assert_eq!(id("12345678901234567890123"), "12345678901234567890123");
    assert_eq!(id("1.10"), "1.10");
    assert_eq!(id(r#""a\/b""#), "a/b");
    let longest = "x".repeat(255);
    assert_eq!(id(&format!("\"{longest}\"")), longest);
    let [long, longer] = [256, 300].map(|length| id(&format!("\"{}\"", "x".repeat(length))));
    let [nul, newline] = [r#""evt\u00001""#, r#""evt\n1""#].map(id);
    let hashes = [long, longer, nul, newline];
    for (at, hash) in hashes.iter().enumerate() {
        assert!(
            hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit()),
            "{hash}"
        );
        assert!(!hashes[..at].contains(hash));
    }
}

#[test]
fn parts_of_an_id_do_not_run_into_each_other() {
    let source = build(
        r#"{"verify":{"hmac":"sha256","header":"X-Mac"},"id":["json:/a","json:/b"]}"#,
        &["a secret"],
    )
    .unwrap();
    let id = |a: &str, b: &str| {
        let body = format!(r#"{{"a":"{a}","b":"{b}"}}"#);
        Post::new(body).signed(&source).id(&source)
    };
    assert_eq!(id("a", "b:c"), "a:b:c");
    assert_ne!(id("a", "b:c"), id("a:b", "c"));
    assert_ne!(id("a%3Ab", "c"), id("a:b", "c"));
    let half = Post::new(r#"{"a":"x","b":""}"#).signed(&source);
    assert_eq!(half.reason(&source), Reason::Unreadable);
}

#[test]
fn a_batch_with_one_bad_item_is_refused_whole() {
    let gocardless = preset("gocardless", &["secret"]);
    let post = |events: &str| Post::new(format!(r#"{{"events":{events}}}"#)).signed(&gocardless);
    let ids = post(r#"[{"id":"EV1"},{"id":"EV2"}]"#).ids(&gocardless);
    assert_eq!(ids, [Some("EV1".to_owned()), Some("EV2".to_owned())]);
    assert!(post("[]").ids(&gocardless).is_empty());
    let many = |items: usize| format!("[{}]", vec![r#"{"id":"EV1"}"#; items].join(","));
    assert_eq!(post(&many(1000)).ids(&gocardless).len(), 1000);
    for events in [
        r#"[{"id":"EV1"},{}]"#,
        r#"[{"id":"EV1"},{"id":""}]"#,
        r#"[{"id":"EV1"},null]"#,
        r#"{"id":"EV1"}"#,
        "null",
        &many(1001),
    ] {
        let refusal = post(events).refusal(&gocardless);
        assert_eq!(
            refusal,
            Refusal {
                reason: Reason::Unreadable,
                status: 422
            },
            "{events:.60}"
        );
    }
    let none = Post::new("{}").signed(&gocardless);
    assert_eq!(none.reason(&gocardless), Reason::Unreadable);
}
