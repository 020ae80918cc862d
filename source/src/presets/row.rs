//! What a row is made of.

use crate::{
    encoding::Encoding,
    handshake::Handshake,
    prover::Proving,
    scheme::{Algorithm, Hash, PublicKey, Scheme, TOLERANCE, Unit},
    secret::KeyForm,
    settings::{Answer, MissingId, Settings},
};

pub(crate) struct Row {
    /// The first is its own.
    pub(crate) names: &'static [&'static str],
    pub(crate) preset: fn() -> Preset,
}

#[derive(Clone, Debug)]
pub(crate) struct Preset {
    pub(crate) proving: Proving,
    pub(crate) settings: Settings,
    pub(crate) handshake: Handshake,
    /// What the sender is answered if its request is not proven.
    pub(crate) refused: u16,
}

impl Preset {
    pub(crate) fn new(proving: impl Into<Proving>) -> Self {
        Self {
            proving: proving.into(),
            settings: Settings::default(),
            handshake: Handshake::None,
            refused: 401,
        }
    }

    pub(super) fn id(mut self, places: &str) -> Self {
        self.settings.id = Some(places.to_owned());
        self
    }

    /// An event without an id is the same as another one of the same bytes.
    pub(super) fn or_hash(mut self) -> Self {
        self.settings.on_missing_id = Some(MissingId::Hash);
        self
    }

    /// An event without an id is another one than all before.
    pub(super) fn or_unique(mut self) -> Self {
        self.settings.on_missing_id = Some(MissingId::Unique);
        self
    }

    pub(super) fn kind(mut self, places: &str) -> Self {
        self.settings.kind = Some(places.to_owned());
        self
    }

    pub(super) fn time(mut self, places: &str) -> Self {
        self.settings.time = Some(places.to_owned());
        self
    }

    pub(super) fn split(mut self, pointer: &str) -> Self {
        self.settings.split = Some(pointer.to_owned());
        self
    }

    pub(super) fn answer(mut self, body: &str) -> Self {
        self.settings.answer = Some(Answer {
            status: 200,
            content_type: Some("text/plain".to_owned()),
            body: body.to_owned(),
        });
        self
    }

    pub(super) fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshake = handshake;
        self
    }

    pub(super) fn refused(mut self, status: u16) -> Self {
        self.refused = status;
        self
    }
}

/// A MAC over the body.
pub(super) fn hmac(hash: Hash, encoding: Encoding, header: &str) -> Scheme {
    scheme(Algorithm::Hmac(hash), encoding, header)
}

/// A signature over the body with the sender's private key, in base64.
pub(super) fn public_key(kind: PublicKey, header: &str) -> Scheme {
    scheme(Algorithm::PublicKey(kind), Encoding::Base64, header)
}

fn scheme(algorithm: Algorithm, encoding: Encoding, signature: &str) -> Scheme {
    Scheme {
        algorithm,
        signature: signature.to_owned(),
        separator: None,
        prefix: String::new(),
        encoding,
        signed: "{body}".to_owned(),
        key: KeyForm::Utf8,
        time: None,
        unit: Unit::Seconds,
        tolerance: None,
        id: None,
    }
}

impl Scheme {
    pub(super) fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_owned();
        self
    }

    /// The header is a list; the items with this prefix are signatures.
    pub(super) fn items(mut self, separator: char, prefix: &str) -> Self {
        self.separator = Some(separator);
        self.prefix(prefix)
    }

    pub(super) fn signed(mut self, signed: &str) -> Self {
        self.signed = signed.to_owned();
        self
    }

    /// The time stands here, and may be five minutes away.
    pub(super) fn time(mut self, place: &str) -> Self {
        self.time = Some(place.to_owned());
        self.tolerance = Some(TOLERANCE);
        self
    }

    pub(super) fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    pub(super) fn tolerance(mut self, seconds: impl Into<Option<u32>>) -> Self {
        self.tolerance = seconds.into();
        self
    }

    pub(super) fn key(mut self, form: KeyForm) -> Self {
        self.key = form;
        self
    }

    pub(super) fn id(mut self, place: &str) -> Self {
        self.id = Some(place.to_owned());
        self
    }
}

/// Standard Webhooks, with headers of one family.
fn standard(scheme: Scheme, family: &str, version: &str) -> Scheme {
    let (id, time) = (
        format!("header:{family}-id"),
        format!("header:{family}-timestamp"),
    );
    scheme
        .items(' ', version)
        .signed(&format!("{{{id}}}.{{time}}.{{body}}"))
        .time(&time)
        .id(&id)
}

pub(super) fn standard_hmac(family: &str) -> Scheme {
    let scheme = hmac(
        Hash::Sha256,
        Encoding::Base64,
        &format!("{family}-signature"),
    );
    standard(scheme.key(KeyForm::Whsec), family, "v1,")
}

pub(super) fn standard_ed25519(family: &str) -> Scheme {
    let scheme = public_key(PublicKey::Ed25519, &format!("{family}-signature"));
    standard(scheme, family, "v1a,")
}
