use super::*;

/// Sources of these variables.
fn declared(variables: &[(&str, &str)]) -> Result<Vec<Declaration>, String> {
    Variables::of(variables).declarations()
}

fn refused(variables: &[(&str, &str)]) -> String {
    declared(variables).err().unwrap()
}

#[test]
fn a_name_that_is_a_presets_needs_a_secret_only() {
    let all = declared(&[
        ("SOURCE_STRIPE_SECRET", "whsec_s3cret"),
        ("SOURCE_STANDARD_WEBHOOKS_SECRET_FILE", "/run/secrets/x"),
        ("SOURCE_WHATSAPP_SECRET", "s3cret"),
        ("SOURCE_WHATSAPP_VERIFY_TOKEN", "s3cret"),
        ("SOURCE_TRANSACTIONS_SECRET", "whsec_s3cret"),
        ("SOURCE_SHOP_2_SECRET", "s3cret"),
        ("SOURCE_SHOP_2_PRESET", "shopify"),
        ("SOURCES_FILE", "/etc/sources.toml"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    let told = all.iter().map(|one| {
        let preset = one.settings.preset.as_deref();
        (one.name.as_str(), preset.unwrap(), one.body_bytes_max)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("shop-2", "shopify", 1 << 20),
            ("standard-webhooks", "standard-webhooks", 1 << 20),
            ("stripe", "stripe", 1 << 20),
            ("transactions", "standard-webhooks", 64 << 10),
            ("whatsapp", "whatsapp", 1 << 20),
        ]
    );
    assert!(all[4].verify_token.is_some());
}

#[test]
fn what_is_set_twice_or_not_at_all_is_named() {
    let secret = ("SOURCE_STRIPE_SECRET", "s3cret");
    for (variables, told) in [
        (
            vec![secret, ("SOURCE_STRIPE_SECRET_FILE", "/s3cret")],
            "SOURCE_STRIPE_SECRET and SOURCE_STRIPE_SECRET_FILE are both set",
        ),
        (
            vec![("SOURCE_SHOP2_SECRET", "s3cret")],
            "SOURCE_SHOP2_PRESET must be set",
        ),
        (
            vec![secret, ("SOURCE_STRIPE_PUBLIC_URL", "s3cret")],
            "SOURCE_STRIPE_PUBLIC_URL must be the address",
        ),
        (
            vec![secret, ("SOURCE_STRIPE_PRESET", "s3cret ")],
            "SOURCE_STRIPE_PRESET must have no white space",
        ),
        (
            vec![("SOURCE_STRIPE_SECRET_FILE", "/s3cret\n")],
            "SOURCE_STRIPE_SECRET_FILE must have no white space",
        ),
    ] {
        let sentence = refused(&variables);
        assert!(sentence.starts_with(told), "{sentence}");
        assert!(!sentence.contains("s3cret"), "{sentence}");
    }
}

#[test]
fn a_variable_that_is_misspelled_is_named_and_one_of_somebody_else_is_not() {
    for name in [
        "SOURCE_STRIPE_SECRT",
        "SOURCE_STRIPE",
        "SOURCE_SECRET",
        "SOURCE_",
        "SOURCE__SECRET",
        "SOURCE_stripe_SECRET",
        "SOURCE_A-B_SECRET",
        "SOURCE_STRIPE_SECRET_FILE2",
    ] {
        let sentence = refused(&[(name, "s3cret")]);
        assert!(sentence.starts_with(name), "{sentence}");
        assert!(is_ours(name), "{name}");
        assert!(!sentence.contains("s3cret"), "{sentence}");
    }
    for name in [
        "SOURCE_DATE_EPOCH",
        "SOURCE_VERSION",
        "SOURCE_CONTROLLER_SERVICE_HOST",
        "SOURCE_CONTROLLER_SERVICE_PORT",
        "SOURCE_CONTROLLER_SERVICE_PORT_HTTP",
        "SOURCE_CONTROLLER_PORT",
        "SOURCE_CONTROLLER_PORT_80_TCP",
        "SOURCE_CONTROLLER_PORT_80_TCP_ADDR",
        "SOURCES_SECRET",
        "RESOURCE_SECRET",
    ] {
        assert_eq!(declared(&[(name, "x")]).unwrap().len(), 0, "{name}");
        assert!(!is_ours(name), "{name}");
    }
}
