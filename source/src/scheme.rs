//! How a request is proven, spelled out: data, as an operator writes it and as the presets are written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{encoding::Encoding, secret::KeyForm};

/// What proves a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: whoever reaches the address may send. `"none"`.
    Nothing,
    /// `Authorization: Basic`, the secret being `user:password`. `"basic"`.
    Basic,
    /// `Authorization: Bearer`, the secret being the token. `"bearer"`.
    Bearer,
    /// The secret itself stands in a header. `{ header = "X-Api-Key" }`.
    Header(String),
    /// The secret itself stands in the query. `{ query = "token" }`.
    Query(String),
    /// `{ hmac = "sha256", header = …, … }` or `{ public_key = "ed25519", header = …, … }`.
    Signature(Scheme),
}

/// What a signature is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hmac(Hash),
    PublicKey(PublicKey),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublicKey {
    /// PKCS #1 v1.5 with SHA-256. The key is a `SubjectPublicKeyInfo`, in PEM or base64.
    RsaSha256,
    /// ECDSA on P-256 with SHA-256, the signature in DER. The key as for RSA.
    EcdsaP256,
    /// The key is base64 of its 32 bytes, with or without `whpk_` before it.
    Ed25519,
}

/// A signature over parts of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    pub algorithm: Algorithm,
    /// Where it stands: `X-Signature`, or with a `*` at the end all headers that begin so, or a place in the body
    /// (`json:/signature`). All values of a repeated header are tried.
    pub signature: String,
    /// What separates the items of that value, if it is a list of several.
    pub separator: Option<char>,
    /// What the value, or the item, begins with if it is a signature of this kind. Other items are passed over.
    pub prefix: String,
    pub encoding: Encoding,
    /// The signed bytes: `{time}.{body}`. Between braces stand `body`, `url`, `method`, `time`, `form` (all fields of a
    /// form, sorted) or a place (`header:X-Id`, `query:id`, `json:/id`, `item:h`); `{headers}` is the values of the
    /// headers that item `h` lists, with dots between.
    pub signed: String,
    pub key: KeyForm,
    /// Where the time stands that `{time}` stands for.
    pub time: Option<String>,
    pub unit: Unit,
    /// How many seconds that time may be ago, or ahead.
    pub tolerance: Option<u32>,
    /// Where the event's id stands if this is what has proven it: never in a header that another scheme signs.
    pub id: Option<String>,
}

/// How a signed time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Since 1970, in digits.
    #[default]
    Seconds,
    Milliseconds,
    /// RFC 3339.
    Iso,
}

/// The tolerance of a signed time where a scheme says nothing else: what nearly every sender recommends.
pub const TOLERANCE: u32 = 300;

/// The members of `verify`, as they may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    hmac: Option<Hash>,
    public_key: Option<PublicKey>,
    header: Option<String>,
    query: Option<String>,
    separator: Option<char>,
    #[serde(default)]
    prefix: String,
    encoding: Option<Encoding>,
    signed: Option<String>,
    key: Option<KeyForm>,
    time: Option<String>,
    unit: Option<Unit>,
    tolerance: Option<u32>,
}

impl TryFrom<Table> for Verify {
    type Error = &'static str;

    fn try_from(table: Table) -> Result<Self, Self::Error> {
        let algorithm = match (table.hmac, table.public_key) {
            (Some(hash), None) => Algorithm::Hmac(hash),
            (None, Some(key)) => Algorithm::PublicKey(key),
            (Some(_), Some(_)) => {
                return Err("has `hmac` and `public_key`: it must be one of them");
            }
            (None, None) => return table.equality(),
        };
        if table.query.is_some() {
            return Err("has `query`, which is for a secret that is sent as it is");
        }
        let Some(signature) = table.header else {
            return Err("has no `header`, in which the signature stands");
        };
        if table.time.is_none() && (table.unit.is_some() || table.tolerance.is_some()) {
            return Err("has a `unit` or a `tolerance` and no `time`");
        }
        Ok(Self::Signature(Scheme {
            algorithm,
            signature,
            separator: table.separator,
            prefix: table.prefix,
            encoding: table.encoding.unwrap_or_default(),
            signed: table.signed.unwrap_or_else(|| "{body}".to_owned()),
            key: table.key.unwrap_or_default(),
            tolerance: table
                .tolerance
                .or(table.time.is_some().then_some(TOLERANCE)),
            time: table.time,
            unit: table.unit.unwrap_or_default(),
            id: None,
        }))
    }
}

impl Table {
    /// Without an algorithm the secret itself is what is sent.
    fn equality(self) -> Result<Verify, &'static str> {
        let is_signature = self.separator.is_some()
            || !self.prefix.is_empty()
            || self.encoding.is_some()
            || self.signed.is_some()
            || self.key.is_some()
            || self.time.is_some()
            || self.unit.is_some()
            || self.tolerance.is_some();
        match (self.header, self.query) {
            _ if is_signature => Err("has no `hmac`, which says how the signature is made"),
            (Some(header), None) => Ok(Verify::Header(header)),
            (None, Some(query)) => Ok(Verify::Query(query)),
            _ => Err("must have `hmac`, or one of `header` and `query`"),
        }
    }
}

impl<'de> Deserialize<'de> for Verify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VerifyVisitor)
    }
}

struct VerifyVisitor;

impl<'de> Visitor<'de> for VerifyVisitor {
    type Value = Verify;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"none\", \"basic\", \"bearer\" or a table such as { hmac = \"sha256\", header = \"X-Signature\" }")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Verify, E> {
        match word {
            "none" => Ok(Verify::Nothing),
            "basic" => Ok(Verify::Basic),
            "bearer" => Ok(Verify::Bearer),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Verify, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        Verify::try_from(table).map_err(A::Error::custom)
    }
}
