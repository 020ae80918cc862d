//! Why a request may not fit: what an operator has most often done wrong. Each question costs another MAC, so it is for the
//! log, seldom asked, and never told to a sender.

use std::fmt;

use crate::{
    prover::{Prover, Proving},
    request::Request,
    scheme::{Scheme, Verify},
    secret::{Credentials, KeyForm, Secret},
    verdict::Reason,
};

/// With what the request would have fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The secret without the white space around it.
    WhiteSpace,
    /// The secret as Standard Webhooks read it.
    Whsec,
    /// The secret's own bytes, and not what its base64 stands for.
    Verbatim,
    /// The address with a slash more, or less, at its end.
    Slash,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WhiteSpace => "it fits without the white space around the secret",
            Self::Whsec => "it fits if the secret is read as whsec_ and base64, as the preset standard-webhooks does",
            Self::Verbatim => "it fits if the secret's own bytes are the key: `key = \"utf8\"`",
            Self::Slash => "it fits with the slash at the end of the address added, or left out",
        })
    }
}

/// The first that fits.
pub(crate) fn find(
    proving: &Proving,
    prover: &Prover,
    credentials: &Credentials,
    request: &Request<'_>,
) -> Option<Hint> {
    let with = |proving: &Proving, credentials: &Credentials| {
        Prover::new(proving, credentials).is_ok_and(|prover| fits(&prover, request))
    };
    let secrets = credentials.secrets.iter();
    let trimmed = secrets.map(|secret| Secret::from(secret.text().trim()));
    let trimmed = Credentials {
        secrets: trimmed.collect(),
        ..credentials.clone()
    };
    if trimmed.secrets != credentials.secrets && with(proving, &trimmed) {
        return Some(Hint::WhiteSpace);
    }
    let read_as = |form| with(&read_as(proving, form), credentials);
    if read_as(KeyForm::Whsec) {
        return Some(Hint::Whsec);
    }
    if read_as(KeyForm::Utf8) {
        return Some(Hint::Verbatim);
    }
    let url = other_slash(request.url);
    let request = &Request {
        url: &url,
        ..*request
    };
    (prover.signs_url() && fits(prover, request)).then_some(Hint::Slash)
}

/// Whether it is proven, now or at its own time.
pub(crate) fn fits(prover: &Prover, request: &Request<'_>) -> bool {
    match prover.prove(request) {
        Ok(_) => true,
        Err(denial) => matches!(denial.reason, Reason::Stale { .. }),
    }
}

/// The same, with its keys made of the secrets in another way.
fn read_as(proving: &Proving, form: KeyForm) -> Proving {
    let changed = |scheme: &Scheme| Scheme {
        key: form,
        ..scheme.clone()
    };
    match proving {
        Proving::Verify(Verify::Signature(scheme)) => changed(scheme).into(),
        Proving::FirstOf(schemes) => Proving::FirstOf(schemes.iter().map(changed).collect()),
        Proving::BySecret {
            prefix,
            with,
            without,
            either,
        } => Proving::BySecret {
            prefix,
            with: Box::new(read_as(with, form)),
            without: Box::new(read_as(without, form)),
            either: *either,
        },
        other => other.clone(),
    }
}

fn other_slash(url: &str) -> String {
    let end = url.find('?').unwrap_or(url.len());
    let (path, query) = url.split_at(end);
    match path.strip_suffix('/') {
        Some(path) => format!("{path}{query}"),
        None => format!("{path}/{query}"),
    }
}
