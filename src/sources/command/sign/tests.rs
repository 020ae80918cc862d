use std::fs;

use super::*;
use crate::sources::variables::Variables;

const TARGET: &str = "http://127.0.0.1:8000/v1/webhooks/a";

/// The only source of these variables.
fn source_of(variables: &[(&str, &str)]) -> std::sync::Arc<Sender> {
    let given = Given {
        file: None,
        variables: Variables::of(variables),
    };
    let mut all = given.declarations(&mut Files::default(), &mut Faults::new());
    let name = all.as_mut().unwrap().remove(0).name;
    sender(&given, &name).unwrap()
}

fn signed(variables: &[(&str, &str)], body: &str) -> anyhow::Result<Headers> {
    let sender = source_of(variables);
    sign(&sender, TARGET, body.as_bytes(), OffsetDateTime::now_utc())
}

fn names(headers: &Headers) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

const SECRET: &str = "a secret of some bytes";

#[test]
fn what_is_signed_is_what_the_source_takes() {
    let headers = signed(&[("SOURCE_STRIPE_SECRET", SECRET)], r#"{"id":"evt_1"}"#).unwrap();
    assert_eq!(names(&headers), ["Content-Type", "Stripe-Signature"]);
    let headers = signed(&[("SOURCE_GITHUB_SECRET", SECRET)], "{}").unwrap();
    let own = ["Content-Type", "X-GitHub-Delivery", "X-Hub-Signature-256"];
    assert_eq!(names(&headers), own);
    let twilio = [
        ("SOURCE_TWILIO_SECRET", SECRET),
        ("SOURCE_TWILIO_PUBLIC_URL", "https://pay.example.com/twilio"),
    ];
    let headers = signed(&twilio, "MessageSid=SM1&MessageStatus=sent").unwrap();
    assert_eq!(headers[0].1, "application/x-www-form-urlencoded");
    let built_in = [(
        "SOURCE_TRANSACTIONS_SECRET",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    )];
    let headers = signed(&built_in, "{}").unwrap();
    let own = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    assert!(
        own.iter().all(|name| names(&headers).contains(name)),
        "{headers:?}"
    );
}

#[test]
fn what_cannot_be_signed_or_would_be_refused_is_said() {
    let hex = "44782DEF547AAA0644782DEF547AAA06";
    for (variables, body, told) in [
        (
            [("SOURCE_ADYEN_SECRET", hex)],
            "{}",
            "source adyen: this cannot be signed here",
        ),
        (
            [("SOURCE_STRIPE_SECRET", SECRET)],
            "{}",
            "no event can be read from it",
        ),
        (
            [("SOURCE_STRIPE_SECRET", SECRET)],
            "not json",
            "no event can be read from it",
        ),
    ] {
        let sentence = signed(&variables, body).unwrap_err().to_string();
        assert!(sentence.contains(told), "{sentence}");
    }
}

#[test]
fn a_body_that_is_too_long_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    fs::write(&file, "1234").unwrap();
    assert_eq!(read(&file, 4).unwrap(), b"1234");
    let sentence = read(&file, 3).unwrap_err().to_string();
    assert!(sentence.contains("longer than the 3 bytes"), "{sentence}");
    let sentence = read(&folder.path().join("none"), 3)
        .unwrap_err()
        .to_string();
    assert!(sentence.contains("cannot be read"), "{sentence}");
}

#[test]
fn a_shell_reads_each_word_as_it_is() {
    let headers = vec![("X-A".to_owned(), "it's $HOME `x` \\ \"y\"".to_owned())];
    let command = curl(TARGET, &headers, Path::new("a b'c.json")).unwrap();
    let script = format!("curl() {{ for word; do printf '%s\\n' \"$word\"; done; }}\n{command}");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let expected = [
        "-i",
        TARGET,
        "-H",
        "X-A: it's $HOME `x` \\ \"y\"",
        "--data-binary",
        "@a b'c.json",
    ];
    assert!(words.lines().eq(expected), "{words}");
}

#[test]
fn the_address_is_one_of_this_machine() {
    for (host, url) in [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ] {
        assert_eq!(local_url(host, 8000), url);
    }
}

#[test]
fn a_body_is_called_what_it_looks_like() {
    for (body, content_type) in [
        ("{}", "application/json"),
        (" [1] ", "application/json"),
        ("a=b&c=%20", "application/x-www-form-urlencoded"),
        ("{a=b", "application/octet-stream"),
        ("", "application/octet-stream"),
    ] {
        assert_eq!(super::content_type(body.as_bytes()), content_type, "{body}");
    }
}
