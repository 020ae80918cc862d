//! The presets in words, for whoever looks for theirs.

use std::fmt::Display;

use crate::{
    encoding::Encoding,
    presets::{self, Preset},
    prover::Proving,
    scheme::{Algorithm, Hash, PublicKey, Scheme, Verify},
    secret::KeyForm,
    settings::MissingId,
};

/// A preset. Where it knows several ways, they stand with `or` between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its own name, and then others for the same.
    pub names: &'static [&'static str],
    /// Where the proof stands: a header, or a place in the body (`json:/signature`). Empty if nothing is proven.
    pub place: String,
    /// How it is made: `HMAC-SHA256, hex`.
    pub proof: String,
    /// Of what it is made: `{time}.{body}`. Empty if the secret itself is sent.
    pub signed: String,
    /// Where the event's id stands, and what an event without one is.
    pub id: String,
    /// The status of the answer to a genuine request.
    pub status: u16,
    /// The body of that answer; mostly empty.
    pub body: String,
}

/// All presets, in groups of what their senders do.
pub fn descriptions() -> impl Iterator<Item = Description> {
    presets::all().map(|(names, preset)| describe(names, &preset))
}

fn describe(names: &'static [&'static str], preset: &Preset) -> Description {
    let ways = ways(&preset.proving);
    let settings = &preset.settings;
    let answer = settings.answer.as_ref();
    let missing = match settings.on_missing_id.unwrap_or_default() {
        MissingId::Reject => None,
        MissingId::Hash => Some("the body's SHA-256"),
        MissingId::Unique => Some("none: each request is an event"),
    };
    let id = settings.id.as_deref().into_iter().chain(missing);
    Description {
        names,
        place: joined(ways.iter().map(|way| &way.place)),
        proof: joined(ways.iter().map(|way| &way.proof)),
        signed: joined(ways.iter().map(|way| &way.signed)),
        id: joined(id),
        status: answer.map_or(200, |answer| answer.status),
        body: answer.map_or_else(String::new, |answer| answer.body.clone()),
    }
}

/// Each once.
fn joined(texts: impl Iterator<Item = impl Display>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for text in texts.map(|text| text.to_string()) {
        if !text.is_empty() && !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct.join(" or ")
}

/// One way to prove a request.
struct Way {
    place: String,
    proof: String,
    signed: String,
}

impl Way {
    fn new(place: &str, proof: &str, signed: &str) -> Self {
        Self {
            place: place.to_owned(),
            proof: proof.to_owned(),
            signed: signed.to_owned(),
        }
    }
}

/// The usual way first.
fn ways(proving: &Proving) -> Vec<Way> {
    match proving {
        Proving::Verify(verify) => vec![way(verify)],
        Proving::FirstOf(schemes) => schemes.iter().map(signature).collect(),
        Proving::BySecret { with, without, .. } => {
            [ways(without), ways(with)].into_iter().flatten().collect()
        }
        Proving::Adyen => vec![Way::new(
            "additionalData.hmacSignature of each item",
            "HMAC-SHA256, base64, key in hex",
            "eight fields of each item",
        )],
        Proving::Twilio => vec![Way::new(
            "X-Twilio-Signature",
            "HMAC-SHA1, base64",
            "{url}{form}",
        )],
        Proving::PayPal => vec![Way::new(
            "PayPal-Transmission-Sig",
            "RSA-SHA256, base64, by a certificate",
            "transmission id, time, webhook id, CRC-32 of the body",
        )],
        Proving::Plaid => vec![Way::new(
            "Plaid-Verification",
            "a JWT with ES256",
            "SHA-256 of the body",
        )],
    }
}

fn way(verify: &Verify) -> Way {
    let is_secret = "the secret itself";
    match verify {
        Verify::Nothing => Way::new("", "nothing", ""),
        Verify::Basic => Way::new("Authorization", "Basic, user:password", ""),
        Verify::Bearer => Way::new("Authorization", "Bearer, the secret itself", ""),
        Verify::Header(name) => Way::new(name, is_secret, ""),
        Verify::Query(name) => Way::new(&format!("query:{name}"), is_secret, ""),
        Verify::Signature(scheme) => signature(scheme),
    }
}

fn signature(scheme: &Scheme) -> Way {
    let algorithm = match scheme.algorithm {
        Algorithm::Hmac(Hash::Sha1) => "HMAC-SHA1",
        Algorithm::Hmac(Hash::Sha256) => "HMAC-SHA256",
        Algorithm::Hmac(Hash::Sha384) => "HMAC-SHA384",
        Algorithm::Hmac(Hash::Sha512) => "HMAC-SHA512",
        Algorithm::PublicKey(PublicKey::RsaSha256) => "RSA-SHA256",
        Algorithm::PublicKey(PublicKey::EcdsaP256) => "ECDSA-P256",
        Algorithm::PublicKey(PublicKey::Ed25519) => "Ed25519",
    };
    let encoding = match scheme.encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
    };
    let key = match scheme.key {
        KeyForm::Utf8 => "",
        KeyForm::Base64 => ", key in base64",
        KeyForm::Hex => ", key in hex",
        KeyForm::Whsec => ", key in whsec_",
    };
    let proof = format!("{algorithm}, {encoding}{key}");
    Way::new(&scheme.signature, &proof, &scheme.signed)
}
