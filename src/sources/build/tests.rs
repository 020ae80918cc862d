use super::*;
use crate::sources::scene::{assembled, scene};

#[test]
fn the_built_in_source_takes_any_presets_scheme_and_its_own_limit() {
    let secret = ("SECRET", "a secret of some bytes");
    for table in [
        "preset = 'github'",
        "preset = 'gocardless'",
        "verify = 'bearer'",
    ] {
        let document = format!("[sources.transactions]\nsecrets = 'env:SECRET'\n{table}");
        let (_folder, given) = scene(&document, &[], &[secret]);
        let built = assembled(&given).unwrap().remove(0);
        assert_eq!(built.sender.body_bytes_max, 64 * 1024);
        assert!(built.test == SelfTest::Passed);
    }
    let secret = (
        "SOURCE_TRANSACTIONS_SECRET",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    );
    let (_folder, given) = scene("", &[], &[secret]);
    let built = assembled(&given).unwrap().remove(0);
    assert_eq!(built.preset.as_deref(), Some("standard-webhooks"));
}

#[test]
fn what_is_odd_is_a_warning() {
    let document = "[sources.a]\nverify = 'none'\nid = 'json:/id'\n\
                    [sources.b]\npreset = 'stripe'\nsecret_literals = ['12345678', '1234567890123456']";
    let (_folder, given) = scene(document, &[], &[]);
    let built = assembled(&given).unwrap();
    let warnings = built.iter().flat_map(|built| built.warnings.clone());
    let unverified = Warning::Unverified { source: "a".into() };
    let short = Warning::Short {
        told: "SOURCES_FILE, source b: `secret_literals`[0]".into(),
        bytes: 8,
    };
    assert!(warnings.eq([unverified, short]));
}

#[test]
fn every_preset_that_can_be_signed_passes_its_self_test() {
    let mut passed = 0;
    for preset in source::presets() {
        let secret = match preset {
            "adyen" | "adyen-platforms" | "authorize-net" => "44782DEF547AAA0644782DEF547AAA06",
            "standard-webhooks" | "airtable" => "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            _ => "a secret of some bytes",
        };
        let document = format!(
            "[sources.a]\npreset = '{preset}'\nsecret_literals = ['{secret}']\nverify_token = 'env:TOKEN'\n\
             public_url = 'https://pay.example.com/a'"
        );
        let (_folder, given) = scene(&document, &[], &[("TOKEN", "a token")]);
        match assembled(&given) {
            Ok(built) if built[0].test == SelfTest::Passed => passed += 1,
            Ok(_) => assert!(["adyen", "mailgun"].contains(&preset), "{preset}"),
            // What is no key, and what has none.
            Err(sentence) => {
                let others = ["paypal", "plaid", "wise", "sendgrid", "mollie-classic"];
                assert!(others.contains(&preset), "{sentence}");
            }
        }
    }
    assert!(passed > 55, "{passed}");
}

/// Requests of real senders, and with what they are proven.
const VECTORS: &str = include_str!("../../../source/tests/vectors.json");

#[test]
fn keys_that_are_known_to_everybody_are_taken_from_files() {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors.as_array().unwrap().iter();
    let keys = vectors.filter_map(|vector| {
        let (preset, key) = (vector["preset"].as_str()?, vector["secret"].as_str()?);
        let key = key.strip_prefix("JWK ").unwrap_or(key);
        ["sendgrid", "wise", "plaid"]
            .contains(&preset)
            .then_some((preset, key))
    });
    let mut found = 0;
    for (preset, key) in keys {
        let document = format!("[sources.{preset}]\nsecrets = 'file:key'");
        let (_folder, given) = scene(&document, &[("key", &format!("{key}\n"))], &[]);
        let built = assembled(&given).unwrap().remove(0);
        assert!(built.test == SelfTest::NotPossible, "{preset}");
        assert!(built.sender.source.has_public_secrets(), "{preset}");
        found += 1;
    }
    assert!(found >= 3, "{found}");
}
