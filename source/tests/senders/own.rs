//! What those senders are refused for whose proof is no row of data.

use source::{Reason, Refusal};

use crate::{
    sending::{Post, preset},
    vector::{NOW, vector},
};

#[test]
fn adyens_items_are_all_proven_or_none_is() {
    let source = vector("ADYEN2").source();
    let body = vector("ADYEN2").body;
    let judge = |from: &str, to: &str| {
        assert!(body.contains(from), "{from}");
        Post::new(body.replacen(from, to, 1)).refusal(&source)
    };
    let signature = r#"{"hmacSignature":"rxCpIouv7Oj8fEJfT3W0tQgH5YWbagEBg4tHp51xS1s="}"#;
    for (from, to, reason) in [
        (r#""value":2260"#, r#""value":2261"#, Reason::Mismatch),
        (r#""value":2260"#, r#""value":2260.0"#, Reason::Malformed),
        (r#""value":2260"#, r#""value":[2260]"#, Reason::Malformed),
        (
            r#""success":"true""#,
            r#""success":"false""#,
            Reason::Mismatch,
        ),
        (
            r#""success":"true""#,
            r#""success":false"#,
            Reason::Mismatch,
        ),
        (
            r#""eventCode":"CAPTURE""#,
            r#""eventCode":{"a":1}"#,
            Reason::Malformed,
        ),
        (
            r#""eventCode":"CAPTURE""#,
            r#""eventCode":"REFUND","eventCode":"CAPTURE""#,
            Reason::Malformed,
        ),
        (signature, "null", Reason::MissingHeader),
        (
            signature,
            r#"{"hmacSignature":null}"#,
            Reason::MissingHeader,
        ),
        (signature, r#"{"hmacSignature":"?"}"#, Reason::Malformed),
        (signature, "7", Reason::Malformed),
        (
            r#""live":"false""#,
            r#""notificationItems":[],"live":"false""#,
            Reason::Malformed,
        ),
    ] {
        assert_eq!(
            judge(from, to),
            Refusal {
                reason,
                status: 401
            },
            "{to}"
        );
    }
    for body in [
        r#"{"notificationItems":[]}"#,
        r#"{"notificationItems":null}"#,
        "{}",
        "",
        "null",
    ] {
        assert_eq!(Post::new(body).reason(&source), Reason::Malformed, "{body}");
    }
    // A word instead of a text is signed alike, and what is not signed may be anything.
    let genuine = body.replace(r#""success":"true""#, r#""reason":"x","success":true"#);
    assert_eq!(Post::new(genuine).ids(&source).len(), 2);
    assert_eq!(source.answer().body, "[accepted]");
}

#[test]
fn a_form_of_endless_fields_is_not_sorted() {
    let twilio = preset("twilio", &["12345"]);
    let post = |fields: usize| {
        let form = Post::new("a&".repeat(fields));
        form.header("Content-Type", "application/x-www-form-urlencoded")
    };
    assert_eq!(
        post(1000)
            .header("X-Twilio-Signature", "AAAA")
            .reason(&twilio),
        Reason::Mismatch
    );
    assert_eq!(
        post(1001)
            .header("X-Twilio-Signature", "AAAA")
            .reason(&twilio),
        Reason::Malformed
    );
}

#[test]
fn a_body_that_twilio_does_not_sign_is_not_taken() {
    let twilio = preset("twilio", &["12345"]);
    let empty = Post::new("")
        .header("I-Twilio-Idempotency-Token", "t")
        .signed(&twilio);
    assert_eq!(empty.id(&twilio), "t");
    let mut other = empty.clone();
    other.body = b"{\"a\":1}".to_vec();
    assert_eq!(other.reason(&twilio), Reason::MissingHeader);
}

#[test]
fn mailgun_and_plaid_survive_what_is_no_signature() {
    let mailgun = preset("mailgun", &["mg_key"]);
    for (body, reason) in [
        ("", Reason::MissingHeader),
        ("null", Reason::MissingHeader),
        (r#"{"signature":{}}"#, Reason::MissingHeader),
        (r#"{"signature":{"signature":"00"}}"#, Reason::MissingHeader),
        (
            r#"{"signature":{"signature":"00","timestamp":"x","token":"y"}}"#,
            Reason::Malformed,
        ),
        (
            r#"{"signature":{"signature":"zz","timestamp":"1","token":"y"}}"#,
            Reason::Malformed,
        ),
        (
            r#"{"signature":{"signature":"00","timestamp":"1","token":"y"}}"#,
            Reason::Mismatch,
        ),
    ] {
        assert_eq!(
            Post::new(body).refusal(&mailgun),
            Refusal {
                reason,
                status: 406
            },
            "{body}"
        );
    }
    let plaid = vector("PLAID1").source();
    let token = vector("PLAID1").headers["Plaid-Verification"].clone();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    // {"alg":"none"}, {"alg":"HS256","kid":"hk-plaid-1"}
    let none = "eyJhbGciOiJub25lIn0";
    let hs256 = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImhrLXBsYWlkLTEifQ";
    for (token, reason) in [
        (String::new(), Reason::Malformed),
        ("a.b.c".to_owned(), Reason::Malformed),
        (format!("{header}.{claims}"), Reason::Malformed),
        (format!("{none}.{claims}."), Reason::Malformed),
        (format!("{hs256}.{claims}.{signature}"), Reason::Malformed),
        (format!("{header}.{claims}.AAAA"), Reason::Mismatch),
        (format!("{header}.{header}.{signature}"), Reason::Mismatch),
        ("a".repeat(5000), Reason::Malformed),
    ] {
        let post = Post::new(&vector("PLAID1").body).header("plaid-verification", &token);
        assert_eq!(post.at(NOW).reason(&plaid), reason, "{token:.80}");
    }
}
