use std::path::PathBuf;

use source::{AmountUnit, Verify};

use super::*;

fn read(text: &str) -> Result<Vec<Declaration>, String> {
    declarations(text, Path::new("/etc/hookline"))
}

#[test]
fn every_key_is_read() {
    let all = read(
        r#"
        [sources.stripe]
        secrets = ["file:/run/secrets/stripe/current", "file:previous?optional", "env:STRIPE"]

        [sources.acme]
        verify = { hmac = "sha256", header = "X-Acme-Signature", encoding = "hex", prefix = "sha256=",
                   signed = "{header:X-Acme-Time}.{body}", time = "header:X-Acme-Time", tolerance = 300, key = "utf8" }
        secrets = "file:secrets"
        lines = true
        secret_literals = ["literal"]
        certificates = ["file:/etc/cert.pem"]
        verify_token = "env:TOKEN"
        public_url = "https://pay.example.com/v1/webhooks/acme"
        max_body = "2 MiB"
        id = ["json:/event", "json:/data/id"]
        type = "json:/event"
        time = "json:/at"
        split = "/events"
        on_missing_id = "hash"
        answer = { status = 204 }
        fields = { amount = "json:/amount", amount_unit = "major" }
        "#,
    )
    .unwrap();
    let [acme, stripe] = &all[..] else { panic!() };
    assert_eq!(stripe.settings.preset.as_deref(), Some("stripe"));
    assert_eq!(stripe.body_bytes_max, 1 << 20);
    let places = stripe.secrets.iter().map(|secret| match &secret.kept {
        Kept::File { path, is_optional } => (path.clone(), *is_optional),
        Kept::Variable(name) => (PathBuf::from(name), false),
        Kept::Here(_) => panic!(),
    });
    let expected = [
        ("/run/secrets/stripe/current", false),
        ("/etc/hookline/previous", true),
        ("STRIPE", false),
    ];
    assert!(places.eq(expected.map(|(path, is_optional)| (path.into(), is_optional))));
    assert_eq!((acme.name.as_str(), acme.secrets.len()), ("acme", 2));
    assert!(acme.has_lines && acme.verify_token.is_some());
    assert_eq!(acme.certificates.len(), 1);
    assert_eq!(acme.body_bytes_max, 2 << 20);
    let settings = &acme.settings;
    assert!(matches!(settings.verify, Some(Verify::Signature(_))));
    assert_eq!(settings.id.as_deref(), Some("json:/event + json:/data/id"));
    assert_eq!(settings.answer.as_ref().unwrap().status, 204);
    let fields = settings.fields.as_ref().unwrap();
    assert_eq!(fields.amount_unit, Some(AmountUnit::Major));
}

#[test]
fn every_key_that_is_said_to_be_known_is() {
    for key in SETTINGS {
        let text = format!("[sources.x]\n{key} = 7");
        let sentence = read(&text).err().unwrap();
        let start = format!("SOURCES_FILE, source x: `{key}`: must be ");
        assert!(sentence.starts_with(&start), "{sentence}");
    }
    for key in OURS {
        let sentence = read(&format!("[sources.x]\n{key} = 7.5")).err().unwrap();
        let start = format!("SOURCES_FILE, source x: `{key}` must be ");
        assert!(sentence.starts_with(&start), "{sentence}");
    }
}

/// Documents, and what is said of each.
const WRONG: &[(&str, &str)] = &[
    ("", "SOURCES_FILE must have a table"),
    ("[sources]", "SOURCES_FILE has no source"),
    ("sources = 's3cret'", "SOURCES_FILE must have a table"),
    ("other = 1\n[sources.a]", "has `other`"),
    ("[sources]\na = 's3cret'", "source a must be a table"),
    ("[sources.'A b']", "its name must be 1 to 63"),
    (
        "[sources.stripe]\nsecretz = 's3cret'",
        "source stripe: `secretz` is no key",
    ),
    (
        "[sources.stripe]\nid = 's3cret'\nID = 's3cret'",
        "`ID` is no key",
    ),
    (
        "\n[sources.stripe]\nsecrets = \"s3cret",
        "line 3: it must be TOML",
    ),
    (
        "[sources.stripe]\nid = 1\nid = 's3cret'",
        "line 3: it must be TOML",
    ),
    ("[sources.stripe]\n[sources.stripe]", "it must be TOML"),
    (
        "[sources.acme]\nid = 'json:/id'",
        "source acme: `preset` or `verify`",
    ),
    (
        "[sources.stripe]\nsecrets = 's3cret'",
        "`secrets`[0] must be env:NAME, file:PATH",
    ),
    (
        "[sources.stripe]\nsecrets = ['env:A', 'env:s3cret!']",
        "`secrets`[1] must be",
    ),
    (
        "[sources.stripe]\nsecrets = ['file:']",
        "`secrets`[0] must be",
    ),
    (
        "[sources.stripe]\nsecrets = [1]",
        "`secrets` must be a text, or a list",
    ),
    (
        "[sources.stripe]\nverify_token = ['env:A', 'env:B']",
        "`verify_token` must be one",
    ),
    (
        "[sources.stripe]\nverify = 's3cret'",
        "`verify`: must be \"none\", \"basic\"",
    ),
    (
        "[sources.stripe]\nverify = ['s3cret']",
        "`verify`: must be \"none\", \"basic\"",
    ),
    (
        "[sources.stripe]\nverify = { hmac = 's3cret' }",
        "`verify`: must be one of `sha1`",
    ),
    (
        "[sources.stripe]\nverify = { hmac = 'sha1', headr = 's3cret' }",
        "unknown field `headr`",
    ),
    (
        "[sources.stripe]\nverify = { hmac = 'sha1', header = 'X', separator = 's3cret' }",
        "must be a character",
    ),
    (
        "[sources.stripe]\nanswer = { status = 's3cret' }",
        "`answer`: must be u16",
    ),
    (
        "[sources.stripe]\non_missing_id = 's3cret'",
        "must be one of `reject`",
    ),
    (
        "[sources.stripe]\npublic_url = 's3cret'",
        "`public_url` must be the address",
    ),
    (
        "[sources.stripe]\nmax_body = 's3cret'",
        "`max_body` must be a number of bytes",
    ),
    ("[sources.stripe]\nmax_body = 0", "`max_body` must be"),
    ("[sources.stripe]\nmax_body = '33MiB'", "`max_body` must be"),
    (
        "[sources.stripe]\nmax_body = '99999999999999999MiB'",
        "`max_body` must be",
    ),
    (
        "[sources.transactions]\nid = 'json:/id'",
        "`id` has no effect on the built-in",
    ),
    (
        "[sources.transactions]\nmax_body = '1MiB'",
        "`max_body` has no effect",
    ),
];

#[test]
fn what_is_wrong_is_named_and_never_repeated() {
    for &(text, told) in WRONG {
        let sentence = read(text).err().unwrap_or_default();
        assert!(sentence.starts_with("SOURCES_FILE"), "{text}: {sentence}");
        assert!(sentence.contains(told), "{text}: {sentence}");
        assert!(!sentence.contains("s3cret"), "{text}: {sentence}");
        assert!(!sentence.contains('\n'), "{text}: {sentence}");
    }
}

#[test]
fn a_size_has_a_unit_or_is_in_bytes() {
    let read = |text: &str| size(&Value::String(text.into()));
    for (text, bytes) in [
        ("1", 1),
        ("65536", 65_536),
        ("64KiB", 65_536),
        ("32MiB", 32 << 20),
        ("5 B", 5),
    ] {
        assert_eq!(read(text), Some(bytes), "{text}");
    }
    for text in ["", "KiB", "-1", "1.5MiB", "1kb", "1MB", "0", "1 1"] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(size(&Value::Integer(-1)), None);
}
