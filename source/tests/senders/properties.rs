//! What holds for any request.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};
use source::{Reason, Refusal, Source, Verdict};

use crate::{
    sending::{Post, build, preset},
    vector::{preset as name_of, vectors},
};

/// Presets of which a request cannot be signed by headers: see `Source::sign`.
const UNSIGNABLE: [&str; 6] = ["adyen", "mailgun", "paypal", "plaid", "sendgrid", "wise"];
/// Presets whose signature covers the body's fields rather than its bytes, or no body.
const BODY_APART: [&str; 4] = ["flutterwave-v3", "mandrill", "mollie-classic", "twilio"];

static PRESETS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let names = source::presets().filter(|name| !UNSIGNABLE.contains(name));
    names.collect()
});

/// Sources of all senders that have vectors, and one that is spelled out.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let real = vectors()
        .into_iter()
        .filter(|vector| name_of(vector) != "generic");
    let mut sources: Vec<_> = real.map(|vector| vector.source()).collect();
    let others = [
        "trello", "docusign", "twitch", "hubspot", "meta", "xero", "mandrill", "sinch", "zendesk",
    ];
    sources.extend(others.map(|name| preset(name, &["a secret"])));
    let spelled = r#"{"verify":{"hmac":"sha256","header":"X-Sig","separator":",","prefix":"v1=","signed":"{item:h}{headers}{form}{query:a}{json:/a}"},"id":"form:a + listed:b + hash"}"#;
    sources.push(build(spelled, &["a secret"]).unwrap());
    sources
});

/// A secret in the form that a preset takes.
fn secret(name: &str, bytes: &[u8]) -> String {
    let hex = || {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    match name {
        "standard-webhooks" => format!("whsec_{}", hex()),
        _ => hex(),
    }
}

/// An even number of bytes: their hex is base64, too.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<[u8; 2]>(), 12..20).prop_map(|pairs| pairs.concat())
}

fn signer(name: &str, bytes: &[u8]) -> Source {
    match name {
        "mollie-classic" => preset(name, &[]),
        _ => preset(name, &[&secret(name, bytes)]),
    }
}

fn refused(post: &Post, source: &Source) -> Option<Refusal> {
    post.verdict(source, |verdict| match verdict {
        Verdict::Refused(refusal) => Some(refusal),
        Verdict::Genuine(_) | Verdict::Handshake(_) => None,
    })
}

/// Whether it is proven, though perhaps no event can be read from it.
fn is_proven(post: &Post, source: &Source) -> bool {
    refused(post, source).is_none_or(|refusal| refusal.reason == Reason::Unreadable)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let json =
        r#"\{"(id|event|events|type|a)":("?[a-z0-9:é₹]{0,9}"?|\[\{"id":[0-9]{1,3}\}\]|null)\}"#;
    prop_oneof![vec(any::<u8>(), 0..200), json.prop_map(String::into_bytes)]
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let names = vectors()
        .into_iter()
        .flat_map(|vector| vector.headers.into_keys());
    let mut names: Vec<_> = names.collect();
    names.extend(
        [
            "X-Sig",
            "Twitch-Eventsub-Message-Id",
            "X-DocuSign-Signature-7",
            "b",
            "h",
        ]
        .map(str::to_owned),
    );
    let value =
        "(t=|ts=|v1=|v1,|h=|h1=|sha256=|v0=|[0-9]{1,14}|[A-Za-z0-9+/]{0,44}=?| |,|;|\\.){0,8}";
    let value = prop_oneof![vec(any::<u8>(), 0..60), value.prop_map(String::into_bytes)];
    (select(names), value)
}

fn post() -> impl Strategy<Value = Post> {
    let method = select(vec!["POST", "GET", "HEAD", ""]);
    let url = "(https?://)?[a-z@:/.0-9é]{0,20}(\\?[a-zA-Z0-9=&%+_.é]{0,40})?";
    (method, url, vec(header(), 0..8), body(), any::<u32>()).prop_map(
        |(method, url, headers, body, now)| Post {
            method,
            url,
            headers,
            body,
            now: now.into(),
        },
    )
}

proptest! {
    #[test]
    fn any_request_is_judged_and_none_is_proven_by_chance(post in post(), at in any::<prop::sample::Index>()) {
        let source = at.get(&SOURCES);
        if let Some(refusal) = refused(&post, source) {
            prop_assert!([401, 403, 405, 406, 422, 498, 503].contains(&refusal.status));
            prop_assert_ne!(refusal.reason, Reason::Unreadable);
        } else {
            prop_assert_ne!(post.method, "POST");
        }
        let _ = post.with(|request| source.sign(request));
    }

    #[test]
    fn a_signed_request_is_proven(body in body(), bytes in key(), at in any::<prop::sample::Index>()) {
        let name = at.get(&PRESETS);
        // Twilio signs such a body by its hash in the address.
        let body = if *name == "twilio" { Vec::new() } else { body };
        let source = signer(name, &bytes);
        let post = Post::new(body).signed(&source);
        prop_assert!(is_proven(&post, &source), "{name} {:?}", post.headers);
    }

    #[test]
    fn one_other_bit_of_the_body_is_refused(body in body(), bytes in key(), at in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let name = at.get(&PRESETS);
        prop_assume!(!BODY_APART.contains(name) && !body.is_empty());
        prop_assume!(*name != "gitlab");
        let source = signer(name, &bytes);
        let mut post = Post::new(body).signed(&source);
        let bit = bit.index(post.body.len() * 8);
        post.body[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!is_proven(&post, &source), "{name}");
    }

    #[test]
    fn one_other_bit_of_the_signature_is_refused(bytes in key(), at in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let name = at.get(&PRESETS);
        prop_assume!(*name != "mollie-classic");
        let source = signer(name, &bytes);
        let mut post = Post::new("").signed(&source);
        let value = &mut post.headers.last_mut().unwrap().1;
        let before = value.clone();
        let bit = bit.index(value.len() * 8);
        value[bit / 8] ^= 1 << (bit % 8);
        // Hex is taken in capital letters, too.
        prop_assume!(!value.eq_ignore_ascii_case(&before));
        prop_assert!(!is_proven(&post, &source), "{name} {:?}", post.headers);
    }

    #[test]
    fn one_other_bit_of_the_secret_is_refused(mut bytes in key(), at in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let name = at.get(&PRESETS);
        prop_assume!(*name != "mollie-classic");
        let post = Post::new("").signed(&signer(name, &bytes));
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(refused(&post, &signer(name, &bytes)).map(|refusal| refusal.reason), Some(Reason::Mismatch), "{}", name);
    }
}

#[test]
fn every_preset_that_can_be_signed_is() {
    for name in PRESETS.iter() {
        let source = signer(name, &[7; 32]);
        let signed = Post::new("").with(|request| source.sign(request));
        assert!(signed.is_some(), "{name}");
    }
    for vector in vectors() {
        let is_signable = !UNSIGNABLE.contains(&name_of(&vector)) && vector.id != "SW6";
        if vector.preset != "generic" && is_signable {
            continue;
        }
        if vector.preset != "generic" {
            let source = vector.source();
            let signed = Post::new(&vector.body).with(|request| source.sign(request));
            assert!(signed.is_none(), "{}", vector.id);
        }
    }
}
