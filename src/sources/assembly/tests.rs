//! Declarations in a folder of their own, and what they come to.

use std::fs;

use crate::sources::{
    build::{SelfTest, Warning},
    scene::{assembled, scene},
};

/// What is said of a document beside a file `secret` that holds `s3cret` and more.
fn refused(document: &str) -> String {
    let files = [
        ("secret", "s3cret-of-20-bytes\n"),
        ("blank", " \n"),
        ("hidden", "********\n"),
    ];
    let variables = [
        ("SECRET", "s3cret-in-a-variable"),
        ("SOURCE_GITHUB_SECRET", "s3cret-of-20-bytes"),
    ];
    let (_folder, given) = scene(document, &files, &variables);
    let sentence = assembled(&given).err().unwrap_or_default();
    assert!(!sentence.contains("s3cret"), "{sentence}");
    sentence
}

#[test]
fn secrets_come_from_files_variables_and_the_document() {
    let document = "[sources.stripe]\nlines = true\n\
                    secrets = ['file:one', 'file:two', 'file:none?optional', 'env:THREE']\n\
                    secret_literals = ['the secret number 4']";
    let files = [
        ("one", "the secret number 1\r\n"),
        ("two", "\nthe secret number 2\nanother secret: 3 \n"),
    ];
    let (_folder, given) = scene(document, &files, &[("THREE", "the secret number 3")]);
    let built = assembled(&given).unwrap().remove(0);
    let bytes = built.secrets.iter().map(|secret| secret.bytes);
    assert_eq!(bytes.collect::<Vec<_>>(), [19, 19, 18, 19, 19]);
    assert!(built.test == SelfTest::Passed);
    let told: Vec<_> = built
        .warnings
        .iter()
        .map(|warning| match warning {
            Warning::Padded { told } => told.as_str(),
            _ => panic!(),
        })
        .collect();
    assert_eq!(told, ["SOURCES_FILE, source stripe: file:two"]);
}

/// Documents, and what is said of each.
const LACKING: &[(&str, &str)] = &[
    ("[sources.stripe]", "source stripe: `secrets` must name one"),
    (
        "[sources.stripe]\nsecrets = 'file:none'",
        "source stripe: file:none does not exist",
    ),
    (
        "[sources.stripe]\nsecrets = 'file:none?optional'",
        "`secrets` must name one",
    ),
    (
        "[sources.stripe]\nsecrets = 'file:blank'",
        "source stripe: file:blank is empty",
    ),
    (
        "[sources.stripe]\nsecrets = 'file:.'",
        "file:. is not a regular file",
    ),
    (
        "[sources.stripe]\nsecrets = 'env:UNSET'",
        "source stripe: env:UNSET is not set",
    ),
    (
        "[sources.stripe]\nsecrets = ['file:secret', 'file:hidden']",
        "file:hidden: a secret is a placeholder",
    ),
    (
        "[sources.stripe]\nsecret_literals = ['env:SECRET']",
        "`secret_literals`[0]: a secret is a reference",
    ),
    (
        "[sources.stripe]\nsecret_literals = ['']",
        "`secret_literals`[0]: a secret is empty",
    ),
    (
        "[sources.stripe]\nsecret_literals = ['s3cret']",
        "a secret has 6 bytes, and must have 8",
    ),
    (
        "[sources.adyen]\nsecrets = ['file:secret']",
        "file:secret: a secret is not hex",
    ),
    (
        "[sources.svix]\nsecrets = ['env:SECRET']",
        "env:SECRET: a secret is not whsec_",
    ),
    (
        "[sources.a]\npreset = 's3cret'\nsecrets = 'env:SECRET'",
        "`preset` must be one of the presets",
    ),
    (
        "[sources.square]\nsecrets = 'env:SECRET'",
        "`public_url` must be set",
    ),
    (
        "[sources.meta]\nsecrets = 'env:SECRET'",
        "`verify_token` must be set",
    ),
    (
        "[sources.meta]\nsecrets = 'env:SECRET'\nverify_token = 'file:hidden'",
        "`verify_token`: a secret is a placeholder",
    ),
    (
        "[sources.paypal]\nsecrets = 'env:SECRET'",
        "`certificates` must be set",
    ),
    (
        "[sources.paypal]\nsecrets = 'env:SECRET'\ncertificates = 'file:secret'",
        "`certificates`: a certificate is not",
    ),
    (
        "[sources.mollie-classic]\nsecrets = 'env:SECRET'",
        "`secrets` must not be set",
    ),
    (
        "[sources.a]\nverify = 'none'\nsecrets = 'env:SECRET'",
        "verifies nothing",
    ),
    (
        "[sources.a]\nverify = 'bearer'\nsecrets = 'env:SECRET'",
        "`id`",
    ),
    (
        "[sources.github]\nsecrets = 'env:SECRET'",
        "source github is there, and variables whose names begin with SOURCE_GITHUB_",
    ),
    (
        "[sources.a]\nid = 'json:/id'\nsecrets = 'env:SECRET'\n\
             verify = { hmac = 'sha256', header = 'X', prefix = 'v,', separator = ',' }",
        "source a fails its self-test",
    ),
];

#[test]
fn what_a_source_lacks_is_named() {
    for &(document, told) in LACKING {
        let sentence = refused(document);
        assert!(
            sentence.starts_with("SOURCES_FILE, source "),
            "{document}: {sentence}"
        );
        assert!(sentence.contains(told), "{document}: {sentence}");
    }
    let (folder, given) = scene("[sources.stripe]", &[], &[]);
    fs::remove_file(folder.path().join("sources.toml")).unwrap();
    let sentence = assembled(&given).err().unwrap();
    assert_eq!(sentence, "SOURCES_FILE: the file does not exist");
}

#[test]
fn what_variables_lack_is_named_by_the_variable() {
    for (variables, told) in [
        (
            vec![("SOURCE_STRIPE_PRESET", "stripe")],
            "SOURCE_STRIPE_SECRET must be set",
        ),
        (
            vec![("SOURCE_STRIPE_SECRET_FILE", "/s3cret")],
            "SOURCE_STRIPE_SECRET_FILE: the file does not exist",
        ),
        (
            vec![("SOURCE_ADYEN_SECRET", "s3cret-and-not-hex")],
            "SOURCE_ADYEN_SECRET: a secret is not hex",
        ),
        (
            vec![("SOURCE_STRIPE_SECRET", " ")],
            "SOURCE_STRIPE_SECRET: a secret is empty",
        ),
        (
            vec![("SOURCE_A_PRESET", "s3cret")],
            "SOURCE_A_PRESET must be one of the presets",
        ),
        (
            vec![("SOURCE_SQUARE_SECRET", "s3cret-of-20-bytes")],
            "SOURCE_SQUARE_PUBLIC_URL must be set",
        ),
        (
            vec![("SOURCE_META_SECRET", "s3cret-of-20-bytes")],
            "SOURCE_META_VERIFY_TOKEN must be set",
        ),
        (
            vec![("SOURCE_PAYPAL_SECRET", "8PT597110X687430L")],
            "SOURCE_PAYPAL_CERTIFICATE_FILE must be set",
        ),
        (
            vec![("SOURCE_TRANSACTIONS_SECRET", "s3cret-of-20-bytes")],
            "SOURCE_TRANSACTIONS_SECRET: a secret is not whsec_",
        ),
    ] {
        let (_folder, given) = scene("", &[], &variables);
        let sentence = assembled(&given).err().unwrap_or_default();
        assert!(sentence.starts_with(told), "{sentence}");
        assert!(!sentence.contains("s3cret"), "{sentence}");
    }
}
