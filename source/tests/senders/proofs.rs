//! What is told of a request that is not proven, or not any more.

use source::{Hint, Reason, Refusal};

use crate::{
    sending::{Post, build, preset},
    vector::{NOW, vector, vectors},
};

#[test]
fn the_address_is_part_of_what_is_signed() {
    for id in ["SQUARE2", "TWILIO1", "TWILIO2"] {
        let slash = vector(id).url.replacen("example.com", "example.org", 1);
        let slash = slash.replacen("mycompany.com", "mycompany.org", 1);
        vector(id).with_url(&slash).is_refused_for(Reason::Mismatch);
        assert!(vector(id).source().signs_url());
    }
    let url = format!("{}/", vector("SQUARE2").url);
    vector("SQUARE2")
        .with_url(&url)
        .is_refused_for(Reason::Mismatch);
    // Its default port and its user are no part of what Twilio signs.
    let url = "https://user:secret@mycompany.com:443/myapp.php?foo=1&bar=2";
    vector("TWILIO2").with_url(url).ids();
    let url = "https://mycompany.com:8443/myapp.php?foo=1&bar=2";
    vector("TWILIO2")
        .with_url(url)
        .is_refused_for(Reason::Mismatch);
    assert!(!vector("STRIPE2").source().signs_url());
}

#[test]
fn a_signed_time_may_be_five_minutes_away_and_no_more() {
    for (id, at) in [
        ("STRIPE2", NOW),
        ("SW3", NOW),
        ("SW6", NOW),
        ("ZOOM1", NOW),
        ("PLAID1", NOW),
        ("CDP1", NOW),
        ("SLACK1", 1_531_420_618),
    ] {
        for skew in [-300, 299, 300] {
            vector(id).with_now(at + skew).ids();
        }
        for skew in [-301, 301, 100_000] {
            vector(id)
                .with_now(at + skew)
                .is_refused_for(Reason::Stale { skew });
        }
    }
    // A time that no key has signed is no matter of a clock.
    let forged = vector("STRIPE2").with_body("{}").with_now(NOW + 1000);
    forged.is_refused_for(Reason::Mismatch);
    let forged = vector("STRIPE2").with_header(
        "Stripe-Signature",
        "t=1790000300,v1=547365b6250407a7f90c508c8d744a1fa9f97ff5697677b1d1d4c4b76e8d7daf",
    );
    forged.is_refused_for(Reason::Mismatch);
}

#[test]
fn without_its_headers_a_request_is_not_proven() {
    for vector in vectors() {
        if vector.preset == "generic" || vector.answer.is_some() {
            continue;
        }
        for (name, _) in vector.headers.clone() {
            let is_unsigned = [
                "content-type",
                "protocol",
                "x-gitlab-event",
                "x-shopify-webhook-id",
                "x-shopify-topic",
                "x-razorpay-event-id",
            ];
            if is_unsigned.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            let reason = vector.clone().without_header(&name).refusal().reason;
            assert_eq!(
                reason,
                Reason::MissingHeader,
                "{} without {name}",
                vector.id
            );
        }
    }
}

#[test]
fn senders_are_refused_as_they_expect() {
    for (id, status) in [("GOCARDLESS1", 498), ("STRIPE2", 401), ("PLAID1", 401)] {
        let refusal = vector(id).with_body("{}").refusal();
        assert_eq!(refusal.status, status, "{id}");
    }
    let mut mailgun = vector("MAILGUN1");
    mailgun.body = mailgun.body.replace("949019", "949018");
    assert_eq!(mailgun.refusal().status, 406);
    // A key that is not here yet: the request is to come again.
    let mut plaid = vector("PLAID1");
    plaid.secret = plaid.secret.replace("hk-plaid-1", "hk-plaid-0");
    assert_eq!(
        plaid.refusal(),
        Refusal {
            reason: Reason::Mismatch,
            status: 503
        }
    );
}

#[test]
fn a_certificate_counts_in_its_time() {
    let year = 366 * 24 * 3600;
    vector("PAYPAL1")
        .with_now(NOW - year)
        .is_refused_for(Reason::Mismatch);
    vector("PAYPAL1")
        .with_now(NOW + 20 * year)
        .is_refused_for(Reason::Mismatch);
    vector("PAYPAL1")
        .with_header("PAYPAL-AUTH-ALGO", "SHA1withRSA")
        .is_refused_for(Reason::Malformed);
}

#[test]
fn what_would_have_fitted_is_told() {
    let with_secret = |id: &str, secret: &str| {
        let mut vector = vector(id);
        secret.clone_into(&mut vector.secret);
        vector.is_refused_for(Reason::Mismatch);
        vector
    };
    let newline = format!("{}\n", vector("STRIPE2").secret);
    let bare = preset("stripe", &["whsec_test_secret"]);
    for (vector, hint) in [
        (with_secret("STRIPE2", &newline), Some(Hint::WhiteSpace)),
        (with_secret("STRIPE2", "whsec_another"), None),
        (vector("STRIPE7"), Some(Hint::Whsec)),
        (
            vector("SQUARE2").with_url("https://pay.example.com/in/square/"),
            Some(Hint::Slash),
        ),
        (
            vector("SQUARE2").with_url("https://pay.example.com/in/"),
            None,
        ),
        (
            vector("TWILIO2").with_url("https://mycompany.com/myapp.php/?foo=1&bar=2"),
            Some(Hint::Slash),
        ),
        (with_secret("FLW2", "flw_hash "), Some(Hint::WhiteSpace)),
    ] {
        let source = vector.source();
        let (found, is_of_another) =
            vector.with(|request| (source.hint(request), source.fits_secrets_of(&bare, request)));
        assert_eq!(found, hint, "{}", vector.id);
        assert_eq!(is_of_another, vector.id == "STRIPE2", "{}", vector.id);
    }
    // A key of Standard Webhooks that was used as it is written.
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let verbatim = r#"{"verify":{"hmac":"sha256","header":"webhook-signature","encoding":"base64",
                       "prefix":"v1,","signed":"{header:webhook-id}.{time}.{body}",
                       "time":"header:webhook-timestamp"},"id":"hash"}"#;
    let post = Post::new("{}").signed(&build(verbatim, &[secret]).unwrap());
    let source = preset("svix", &[secret]);
    assert_eq!(post.reason(&source), Reason::Mismatch);
    assert_eq!(
        post.with(|request| source.hint(request)),
        Some(Hint::Verbatim)
    );
}
