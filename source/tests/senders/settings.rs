//! What a source is built of, and what cannot be one.

use source::{BuildError, Credentials, Fields, Reason, Secret, Settings, Source, Verdict, Verify};

use crate::{
    sending::{Post, build, credentials, preset},
    vector::vector,
};

#[test]
fn every_preset_can_be_built() {
    let mut names = Vec::new();
    for name in source::presets() {
        assert!(!names.contains(&name), "{name}");
        names.push(name);
        let secrets = match name {
            "standard-webhooks" => vec!["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
            "adyen" | "adyen-platforms" | "authorize-net" => vec!["44782DEF547AAA06"],
            "airtable" => vec!["c2VjcmV0"],
            "mollie-classic" => vec![],
            // Keys and certificates: their vectors have them.
            "paypal" | "plaid" | "sendgrid" | "wise" => continue,
            _ => vec!["a secret"],
        };
        let source = preset(name, &secrets);
        assert_eq!(source.is_verified(), name != "mollie-classic");
        assert_eq!(source.answer().status, 200, "{name}");
    }
    assert!(names.len() > 60, "{}", names.len());
}

#[test]
fn nothing_shows_a_secret() {
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let source = preset("stripe", &[secret, "another"]);
    let mut credentials = credentials(&[secret]);
    credentials.verify_token = Some(secret.into());
    let shown = format!("{source:?} {credentials:?}");
    assert!(
        shown.contains("stripe") && !shown.contains("whsec_"),
        "{shown}"
    );
    let fault = build(r#"{"preset":"svix"}"#, &["whsec_secret!"]).unwrap_err();
    assert!(!format!("{fault} {fault:?}").contains("secret!"));
}

#[test]
fn a_secret_is_known_by_its_length_and_the_first_digits_of_its_hash() {
    let secret = Secret::from("a secret");
    assert_eq!((secret.bytes(), secret.fingerprint().as_str()), (8, "984c"));
    assert!(!secret.is_padded());
    for padded in [" a secret", "a secret\n", "a secret\u{a0}"] {
        assert!(Secret::from(padded).is_padded(), "{padded:?}");
    }
}

#[test]
fn a_request_is_proven_whatever_its_body_says() {
    let stripe = preset("stripe", &["a secret"]);
    let post = Post::new("no event").signed(&stripe);
    assert_eq!(post.reason(&stripe), Reason::Unreadable);
    assert_eq!(post.with(|request| stripe.prove(request)), Ok(0));
    let refusal = post.refusal(&preset("stripe", &["another secret"]));
    let other = preset("stripe", &["another secret"]);
    assert_eq!(post.with(|request| other.prove(request)), Err(refusal));
}

#[test]
fn what_is_no_secret_is_known() {
    assert!(!preset("stripe", &["a secret"]).has_public_secrets());
    assert!(vector("WISE1").source().has_public_secrets());
    let ed25519 = preset(
        "svix",
        &["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    );
    assert!(ed25519.has_public_secrets());
    assert!(preset("flutterwave-v3", &["a secret"]).sends_secret());
    assert!(!preset("flutterwave-v4", &["a secret"]).sends_secret());
    assert!(preset("whatsapp", &["a secret"]).asks_with_token());
}

#[test]
fn a_scheme_that_is_spelled_out_proves_what_it_says() {
    let source = build(
        r#"{
            "verify": {"hmac": "sha256", "header": "X-Acme-Signature", "encoding": "hex", "prefix": "sha256=",
                       "signed": "{header:X-Acme-Time}.{body}", "time": "header:X-Acme-Time", "tolerance": 60, "key": "utf8"},
            "id": ["json:/event", "json:/data/id"], "type": "json:/event", "time": "json:/at",
            "on_missing_id": "hash", "answer": {"status": 204}
        }"#,
        &["new secret", "old secret"],
    )
    .unwrap();
    let body = r#"{"event":"paid","data":{"id":7},"at":"2026-09-21T14:13:20Z"}"#;
    let post = Post::new(body).signed(&source);
    assert_eq!(post.id(&source), "paid:7");
    assert_eq!(source.answer().status, 204);
    let now = post.now;
    assert_eq!(post.clone().at(now + 60).id(&source), "paid:7");
    assert_eq!(
        post.clone().at(now + 61).reason(&source),
        Reason::Stale { skew: 61 }
    );
    let scheme = |secret| {
        let settings = r#"{"verify":{"hmac":"sha256","header":"X-Acme-Signature","prefix":"sha256=","signed":"{header:X-Acme-Time}.{body}","time":"header:X-Acme-Time"},"id":"hash"}"#;
        build(settings, &[secret]).unwrap()
    };
    for (secret, fits) in [
        ("old secret", true),
        ("new secret", true),
        ("older secret", false),
    ] {
        let post = Post::new(body).signed(&scheme(secret));
        if fits {
            assert_eq!(post.id(&source), "paid:7", "{secret}");
        } else {
            assert_eq!(post.reason(&source), Reason::Mismatch, "{secret}");
        }
    }
    let none = Post::new("not json").signed(&source);
    assert_eq!(
        none.id(&source),
        Post::new("not json").signed(&source).id(&source)
    );
    assert_ne!(
        none.id(&source),
        Post::new("not JSON").signed(&source).id(&source)
    );
}

#[test]
fn of_several_secrets_any_proves() {
    for name in [
        "stripe",
        "github",
        "twilio",
        "flutterwave-v3",
        "xero",
        "paystack",
    ] {
        let body = Post::new("");
        let sign = |secret| body.clone().signed(&preset(name, &[secret]));
        for secrets in [["new secret", "old secret"], ["old secret", "new secret"]] {
            let source = preset(name, &secrets);
            for (secret, fits) in [("new secret", true), ("old secret", true), ("third", false)] {
                let is_mismatch = sign(secret).verdict(&source, |verdict| match verdict {
                    Verdict::Refused(refusal) => refusal.reason == Reason::Mismatch,
                    _ => false,
                });
                assert_eq!(is_mismatch, !fits, "{name} {secret}");
            }
        }
    }
}

#[test]
fn passwords_and_tokens_are_compared_as_they_are() {
    let basic = build(
        r#"{"verify":"basic","id":"json:/id"}"#,
        &["aladdin:open:sesame"],
    )
    .unwrap();
    let post = |value: &str| Post::new(r#"{"id":"1"}"#).header("authorization", value);
    assert_eq!(post("Basic YWxhZGRpbjpvcGVuOnNlc2FtZQ==").id(&basic), "1");
    assert_eq!(post("bASIC  YWxhZGRpbjpvcGVuOnNlc2FtZQ").id(&basic), "1");
    for (value, reason) in [
        ("Basic YWxhZGRpbjpvcGVu", Reason::Mismatch),
        ("Basic !", Reason::Malformed),
        ("Basic", Reason::Malformed),
        ("Bearer YWxhZGRpbjpvcGVuOnNlc2FtZQ==", Reason::MissingHeader),
    ] {
        assert_eq!(post(value).reason(&basic), reason, "{value}");
    }
    let bearer = build(r#"{"verify":"bearer","id":"json:/id"}"#, &["t0ken"]).unwrap();
    assert_eq!(post("bearer t0ken").id(&bearer), "1");
    assert_eq!(post("Bearer T0ken").reason(&bearer), Reason::Mismatch);
    assert_eq!(post("Bearer ").reason(&bearer), Reason::Malformed);
    let key = build(
        r#"{"verify":{"header":"X-Api-Key"},"id":"json:/id"}"#,
        &["k"],
    )
    .unwrap();
    let post = Post::new(r#"{"id":"1"}"#);
    assert_eq!(post.clone().header("x-api-key", "k").id(&key), "1");
    assert_eq!(
        post.clone().header("x-api-key", "").reason(&key),
        Reason::Mismatch
    );
    assert_eq!(
        post.clone()
            .header("x-api-key", "k")
            .header("x-api-key", "k")
            .reason(&key),
        Reason::Malformed
    );
    assert_eq!(post.reason(&key), Reason::MissingHeader);
    let query = build(r#"{"verify":{"query":"token"},"id":"json:/id"}"#, &["a b"]).unwrap();
    let mut post = post;
    post.url = "https://pay.example.com/?token=a+b".to_owned();
    assert_eq!(post.id(&query), "1");
}

#[test]
fn what_proves_nothing_takes_everything() {
    let settings = Settings {
        verify: Some(Verify::Nothing),
        id: Some("json:/id".to_owned()),
        ..Settings::default()
    };
    let source = Source::new(&settings, &Credentials::default()).unwrap();
    assert!(!source.is_verified());
    assert_eq!(Post::new(r#"{"id":"1"}"#).id(&source), "1");
    let classic = preset("mollie-classic", &[]);
    assert_eq!(Post::new("id=tr_1").ids(&classic), [None]);
}

#[test]
fn a_better_proof_is_not_replaced_by_a_worse_one() {
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let gitlab = preset("gitlab", &[secret, "token"]);
    let by_token = Post::new("{}")
        .header("Idempotency-Key", "k")
        .header("X-Gitlab-Token", "token");
    assert_eq!(by_token.reason(&gitlab), Reason::MissingHeader);
    assert_eq!(by_token.id(&preset("gitlab", &["token"])), "k");
    // The older signature counts alone, and not beside a newer one that is wrong.
    let older = r#"{"verify":{"hmac":"sha256","header":"X-Hook0-Signature","separator":",","prefix":"v0=",
                    "signed":"{time}.{body}","time":"item:t"},"id":"hash"}"#;
    let older = build(older, &["hook0_secret"]).unwrap();
    let mut post = Post::new(vector("CDP1").body).signed(&older);
    let cdp = preset("coinbase-cdp", &["hook0_secret"]);
    assert_eq!(post.id(&cdp), "ev-1");
    post.value("X-Hook0-Signature").extend(b",h=,v1=00");
    assert_eq!(post.reason(&cdp), Reason::Mismatch);
}

#[test]
fn an_id_of_the_other_family_of_headers_is_not_believed() {
    let vector = vector("SW3");
    let source = vector.source();
    let mut svix = Post::new(&vector.body);
    for (name, value) in &vector.headers {
        svix = svix.header(&name.replace("webhook-", "svix-"), value);
    }
    assert_eq!(svix.id(&source), "msg_hk1");
    assert_eq!(
        svix.clone().header("webhook-id", "msg_other").id(&source),
        "msg_hk1"
    );
    let mixed = svix.header("webhook-signature", "v1,AAAA");
    assert_eq!(mixed.reason(&source), Reason::MissingHeader);
}

#[test]
fn what_is_said_stands_instead_of_what_the_preset_says() {
    let settings = r#"{"preset":"svix","id":"json:/transaction_id","type":"json:/kind","answer":{"status":202}}"#;
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let source = build(settings, &[secret]).unwrap();
    let body = r#"{"transaction_id":"txn_1","type":"a","kind":"b"}"#;
    let post = Post::new(body)
        .header("webhook-id", "msg_1")
        .signed(&source);
    assert_eq!(post.id(&source), "txn_1");
    let kind = post.events(&source, |event| event.kind.clone());
    assert_eq!(kind, [Some("b".to_owned())]);
    assert_eq!(source.answer().status, 202);
    assert_eq!(post.id(&preset("svix", &[secret])), "msg_1");
}

#[test]
fn fields_are_read_exactly_or_not_at_all() {
    let source = build(
        r#"{"preset":"stripe","fields":{
            "source_account":"json:/account","destination_account":"json:/data/to",
            "amount":"json:/data/amount","amount_unit":"minor","currency":"json:/data/currency"}}"#,
        &["a secret"],
    )
    .unwrap();
    let fields = |body: &str| {
        let post = Post::new(body).signed(&source);
        post.events(&source, |event| event.fields.clone()).remove(0)
    };
    let full = fields(
        r#"{"id":"1","account":"acct_1","data":{"to":42,"amount":90071992547409931,"currency":"usd"}}"#,
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        full,
        Fields {
            source_account: some("acct_1"),
            destination_account: some("42"),
            amount: some("900719925474099.31"),
            currency: some("USD"),
        }
    );
    let odd = fields(r#"{"id":"1","account":"a\u0000","data":{"amount":1.5,"currency":"US"}}"#);
    assert_eq!(odd, Fields::default());
    let fault = build(
        r#"{"preset":"stripe","fields":{"amount_unit":"minor"}}"#,
        &["a secret"],
    );
    assert!(matches!(
        fault,
        Err(BuildError::Setting {
            member: "fields",
            ..
        })
    ));
}
