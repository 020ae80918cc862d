//! What cannot be a source, and the sentence that says why.

use source::Settings;

use crate::sending::build;

/// Settings, secrets, and the sentence.
const FAULTS: &[(&str, &[&str], &str)] = &[
    (
        r#"{"preset":"stripo"}"#,
        &["a secret"],
        "there is no preset `stripo`",
    ),
    (
        "{}",
        &["a secret"],
        "neither `preset` nor `verify` says how its requests are proven",
    ),
    (r#"{"preset":"stripe"}"#, &[], "it has no secret"),
    (
        r#"{"verify":{"hmac":"sha256","header":"X-Mac"},"id":"json:/id"}"#,
        &[],
        "it has no secret",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["good", ""],
        "a secret is empty or blank",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &[" \n"],
        "a secret is empty or blank",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["*****"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["xxxx"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["ChangeMe"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["<your secret>"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["${STRIPE_SECRET}"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["{{ secret }}"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["whsec_..."],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["whsec_…"],
        "a secret is a placeholder, not the secret itself",
    ),
    (
        r#"{"preset":"stripe"}"#,
        &["env:STRIPE"],
        "a secret is a reference (env: or file:) and not what it refers to",
    ),
    (
        r#"{"preset":"svix"}"#,
        &["whsec_xyz!"],
        "a secret is not whsec_ and the base64 of 24 to 64 bytes",
    ),
    (
        r#"{"preset":"svix"}"#,
        &["whsec_"],
        "a secret is not whsec_ and the base64 of 24 to 64 bytes",
    ),
    (
        r#"{"preset":"svix"}"#,
        &["whsec_dGVzdA=="],
        "a secret is not whsec_ and the base64 of 24 to 64 bytes",
    ),
    (
        r#"{"preset":"svix"}"#,
        &["whpk_dGVzdA=="],
        "a secret is not whpk_ and the base64 of an Ed25519 public key",
    ),
    (r#"{"preset":"adyen"}"#, &["secret"], "a secret is not hex"),
    (r#"{"preset":"adyen"}"#, &["ABC"], "a secret is not hex"),
    (r#"{"preset":"airtable"}"#, &["!"], "a secret is not base64"),
    (
        r#"{"preset":"wise"}"#,
        &["MIIB"],
        "a secret is not an RSA public key in PEM or base64",
    ),
    (
        r#"{"preset":"sendgrid"}"#,
        &["MFkw"],
        "a secret is not a P-256 public key in PEM or base64",
    ),
    (
        r#"{"preset":"plaid"}"#,
        &["{}"],
        "a secret is not a JWK of a P-256 key with a kid, nor a set of them",
    ),
    (
        r#"{"preset":"paypal"}"#,
        &["1JE42910"],
        "it has no certificate: PayPal signs with one, and offline it must be given",
    ),
    (
        r#"{"verify":"basic","id":"json:/id"}"#,
        &["user"],
        "a secret is not user:password",
    ),
    (
        r#"{"verify":"none","id":"json:/id"}"#,
        &["a secret"],
        "it has a secret and verifies nothing: `verify = \"none\"` takes none",
    ),
    (
        r#"{"preset":"mollie-classic"}"#,
        &["a secret"],
        "it has a secret and verifies nothing: `verify = \"none\"` takes none",
    ),
    (
        r#"{"verify":"bearer"}"#,
        &["a secret"],
        "`id`: nothing says where it stands, nor what a missing one means",
    ),
    (
        r#"{"preset":"stripe","id":"json:id"}"#,
        &["a secret"],
        "`id`: `id` is no JSON pointer: it must begin with /",
    ),
    (
        r#"{"preset":"stripe","type":"body:/x"}"#,
        &["a secret"],
        "`type`: `body:/x` is no place: `body` is none of json, header, form, query",
    ),
    (
        r#"{"preset":"stripe","time":"created"}"#,
        &["a secret"],
        "`time`: `created` is no place: it must be like json:/data/id, header:X-Id, form:id, query:id or hash",
    ),
    (
        r#"{"preset":"stripe","split":"events"}"#,
        &["a secret"],
        "`split`: `events` is no JSON pointer: it must begin with /",
    ),
    (
        r#"{"preset":"stripe","answer":{"status":302}}"#,
        &["a secret"],
        "`answer`: 302 is no success: it must be 200 to 299",
    ),
    (
        r#"{"preset":"stripe","fields":{"amount":"json:/a"}}"#,
        &["a secret"],
        "`fields`: `amount` needs `amount_unit`, which is \"minor\" or \"major\"",
    ),
    (
        r#"{"preset":"stripe","fields":{"amount":"json:/a","amount_unit":"minor"}}"#,
        &["a secret"],
        "`fields`: an amount in minor units needs `currency`",
    ),
    (
        r#"{"verify":{"hmac":"sha1","header":"X","signed":"{time}.{body}"},"id":"hash"}"#,
        &["a secret"],
        "`signed`: has {time}, and no `time` says where that stands",
    ),
    (
        r#"{"verify":{"hmac":"sha1","header":"X","signed":"{body"},"id":"hash"}"#,
        &["a secret"],
        "`signed`: `{body` has a { without its }",
    ),
    (
        r#"{"verify":{"hmac":"sha1","header":"X","time":"header:T"},"id":"hash"}"#,
        &["a secret"],
        "`time`: is not signed: `signed` must have {time}, or anybody could change it",
    ),
    (
        r#"{"verify":{"hmac":"sha1","header":""},"id":"hash"}"#,
        &["a secret"],
        "`header`: is empty",
    ),
];

#[test]
fn what_cannot_be_a_source_is_told_in_a_sentence() {
    for (settings, secrets, sentence) in FAULTS {
        let fault = build(settings, secrets).expect_err(settings);
        assert_eq!(fault.to_string(), *sentence, "{settings}");
    }
}

#[test]
fn settings_that_mean_nothing_are_not_read() {
    for (settings, word) in [
        (r#"{"presett":"stripe"}"#, "unknown field `presett`"),
        (
            r#"{"verify":"some"}"#,
            "\"none\", \"basic\", \"bearer\" or a table",
        ),
        (
            r#"{"verify":{"hmac":"md5","header":"X"}}"#,
            "unknown variant `md5`",
        ),
        (r#"{"verify":{"hmac":"sha256"}}"#, "has no `header`"),
        (
            r#"{"verify":{"hmac":"sha256","header":"X","secret":"s"}}"#,
            "unknown field `secret`",
        ),
        (
            r#"{"verify":{"header":"X","prefix":"sha256="}}"#,
            "has no `hmac`",
        ),
        (
            r#"{"verify":{"header":"X","query":"y"}}"#,
            "one of `header` and `query`",
        ),
        (r#"{"verify":{}}"#, "must have `hmac`"),
        (
            r#"{"verify":{"hmac":"sha256","public_key":"ed25519","header":"X"}}"#,
            "it must be one of them",
        ),
        (
            r#"{"verify":{"hmac":"sha256","header":"X","tolerance":5}}"#,
            "no `time`",
        ),
        (r#"{"on_missing_id":"ignore"}"#, "unknown variant `ignore`"),
        (r#"{"fields":{"sum":"json:/a"}}"#, "unknown field `sum`"),
        (r#"{"answer":{"state":200}}"#, "unknown field `state`"),
    ] {
        let fault = serde_json::from_str::<Settings>(settings).expect_err(settings);
        assert!(fault.to_string().contains(word), "{fault}");
    }
}
