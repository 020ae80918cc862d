//! What judges a source's requests, made of its declaration and tested before anything counts on it.

use std::{fmt, sync::Arc};

use api::Sender;
use source::{BuildError, Credentials, MissingId, Request, Settings, Source};
use time::OffsetDateTime;

use super::{
    declaration::{CERTIFICATES, Declaration, PRESET, PUBLIC_URL, SECRETS, VERIFY_TOKEN},
    secret::{self, Found},
    variables::Variables,
};
use crate::reread::{Faults, Files};

/// Shorter secrets can be guessed.
const SECRET_BYTES_MIN: usize = 8;
/// Shorter ones may be.
const SECRET_BYTES_GOOD: usize = 16;

/// A source, ready for requests.
pub struct Built {
    pub sender: Arc<Sender>,
    /// Its preset's name, if it has one.
    pub preset: Option<String>,
    pub secrets: Vec<Shown>,
    pub test: SelfTest,
    pub warnings: Vec<Warning>,
}

/// What may be known of a secret.
pub struct Shown {
    pub bytes: usize,
    pub fingerprint: String,
}

/// What came of signing a request and judging it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SelfTest {
    Passed,
    /// Only its sender can sign.
    NotPossible,
}

impl fmt::Display for SelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::NotPossible => "only its sender can sign",
        })
    }
}

/// What is odd about a source and does not stop it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// Whoever reaches its path may send.
    Unverified { source: String },
    /// A secret has white space at its beginning or end. What is said of it begins with `told`.
    Padded { told: String },
    /// A secret has only so many bytes.
    Short { told: String, bytes: usize },
}

/// Makes a source of a declaration, or a sentence that says why it is none.
pub fn build(
    declaration: &Declaration,
    variables: &Variables,
    files: &mut Files,
    faults: &mut Faults,
) -> Result<Built, String> {
    let found = secret::find(declaration, variables, files, faults)?;
    let settings = settings(declaration);
    let source = Source::new(&settings, &found.credentials)
        .map_err(|error| sentence(declaration, &settings, &found, &error))?;
    if source.asks_with_token() && found.credentials.verify_token.is_none() {
        let error = BuildError::NoVerifyToken;
        return Err(sentence(declaration, &settings, &found, &error));
    }
    if source.signs_url() && declaration.public_url.is_none() {
        return Err(format!(
            "{} must be set to the address by which the sender knows us, because the sender signs it",
            declaration.told_key(PUBLIC_URL)
        ));
    }
    let warnings = warnings(declaration, &source, &found)?;
    let test = self_test(&source, declaration.public_url.as_deref()).ok_or_else(|| {
        format!(
            "{} fails its self-test: a request that was signed with its own secret is not genuine to it, so `verify` \
             must be wrong",
            declaration.told()
        )
    })?;
    let secrets = found.credentials.secrets.iter().map(|secret| Shown {
        bytes: secret.bytes(),
        fingerprint: secret.fingerprint(),
    });
    Ok(Built {
        preset: settings.preset,
        secrets: secrets.collect(),
        test,
        warnings,
        sender: Arc::new(Sender {
            name: declaration.name.clone(),
            source,
            body_bytes_max: declaration.body_bytes_max,
            public_url: declaration.public_url.clone(),
            silent_after: declaration.silent_after,
        }),
    })
}

/// The built-in source's id is one of its own fields, so it needs none here.
fn settings(declaration: &Declaration) -> Settings {
    let mut settings = declaration.settings.clone();
    if declaration.name == api::BUILT_IN {
        settings.on_missing_id = Some(MissingId::Unique);
    }
    settings
}

/// What is wrong, after the name of what must be mended.
fn sentence(
    declaration: &Declaration,
    settings: &Settings,
    found: &Found,
    error: &BuildError,
) -> String {
    let about = |key, what: &str| format!("{} {what}", declaration.told_key(key));
    match error {
        BuildError::UnknownPreset(_) => about(
            PRESET,
            "must be one of the presets that hookline sources presets lists",
        ),
        BuildError::NoSecret => about(SECRETS, declaration.no_secret()),
        BuildError::NoCertificate => about(
            CERTIFICATES,
            "must be set to what PayPal signs with, which is not fetched",
        ),
        BuildError::NoVerifyToken => about(
            VERIFY_TOKEN,
            "must be set: Meta asks with it whether the address is ours",
        ),
        BuildError::Certificate(_) => format!("{}: {error}", declaration.told_key(CERTIFICATES)),
        BuildError::NeedlessSecret if settings.verify.is_none() => {
            about(SECRETS, "must not be set: this sender signs nothing")
        }
        BuildError::EmptySecret | BuildError::Secret(_) => {
            let told = guilty(settings, found, error);
            let token = || declaration.told_key(VERIFY_TOKEN);
            format!("{}: {error}", told.map_or_else(token, str::to_owned))
        }
        _ => format!("{}: {error}", declaration.told()),
    }
}

/// What is said of the first secret that alone has this fault.
fn guilty<'a>(settings: &Settings, found: &'a Found, error: &BuildError) -> Option<&'a str> {
    let secrets = found.credentials.secrets.iter().zip(&found.told);
    let mut guilty = secrets.filter(|(secret, _)| {
        let alone = Credentials {
            secrets: vec![(*secret).clone()],
            verify_token: None,
            ..found.credentials.clone()
        };
        Source::new(settings, &alone).is_err_and(|found| found == *error)
    });
    guilty.next().map(|(_, told)| told.as_str())
}

fn warnings(
    declaration: &Declaration,
    source: &Source,
    found: &Found,
) -> Result<Vec<Warning>, String> {
    let mut warnings = Vec::new();
    if !source.is_verified() {
        let source = declaration.name.clone();
        warnings.push(Warning::Unverified { source });
    }
    for (secret, told) in found.credentials.secrets.iter().zip(&found.told) {
        let (bytes, told) = (secret.bytes(), told.clone());
        if secret.is_padded() {
            warnings.push(Warning::Padded { told: told.clone() });
        }
        if source.has_public_secrets() || bytes >= SECRET_BYTES_GOOD {
            continue;
        }
        if bytes < SECRET_BYTES_MIN {
            return Err(format!(
                "{told}: a secret has {bytes} bytes, and must have {SECRET_BYTES_MIN} or more, or it can be guessed"
            ));
        }
        warnings.push(Warning::Short { told, bytes });
    }
    Ok(warnings)
}

/// A form, since some sign the fields of one; to the others it is bytes like any.
const TEST_BODY: &[u8] = b"hookline=self-test";
const TEST_HEADERS: [(&str, &[u8]); 1] = [("Content-Type", b"application/x-www-form-urlencoded")];

/// Signs a request and judges it. `None` if it is not genuine.
fn self_test(source: &Source, public_url: Option<&str>) -> Option<SelfTest> {
    let unsigned = Request {
        method: "POST",
        url: public_url.unwrap_or("http://127.0.0.1/"),
        query: "",
        headers: &TEST_HEADERS,
        body: TEST_BODY,
        now: OffsetDateTime::now_utc(),
    };
    let Some(signed) = source.sign(&unsigned) else {
        return Some(SelfTest::NotPossible);
    };
    let signed = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers: Vec<_> = TEST_HEADERS.into_iter().chain(signed).collect();
    let signed = Request {
        headers: &headers,
        ..unsigned
    };
    source.prove(&signed).is_ok().then_some(SelfTest::Passed)
}

#[cfg(test)]
mod tests;
