//! How each kind of proof is made of a source's secrets, and which of them a request is put to.

use crate::{
    build::BuildError,
    engine::{
        equality::{Equality, Form},
        key::Key,
        proof::Proof,
        signed::Signed,
    },
    own::{
        adyen,
        paypal::{self, PayPal},
        plaid::{self, Plaid},
        twilio,
    },
    place::Place,
    request::{Request, is_named},
    scheme::{Algorithm, Hash, Scheme, Verify},
    secret::{Credentials, KeyForm, Secret},
    verdict::Reason,
};

/// What a preset proves requests by.
#[derive(Clone, Debug)]
pub(crate) enum Proving {
    Verify(Verify),
    /// Of several schemes, the first of which there is a signature: a sender that sends a better one is not believed by a
    /// worse one.
    FirstOf(Vec<Scheme>),
    /// Secrets that begin with `prefix` are for one way, all others for another.
    BySecret {
        prefix: &'static str,
        with: Box<Proving>,
        without: Box<Proving>,
        /// What there are secrets for in both ways: whether each proves, or only the first.
        either: bool,
    },
    Adyen,
    Twilio,
    PayPal,
    Plaid,
}

impl From<Scheme> for Proving {
    fn from(scheme: Scheme) -> Self {
        Self::Verify(Verify::Signature(scheme))
    }
}

impl From<Verify> for Proving {
    fn from(verify: Verify) -> Self {
        Self::Verify(verify)
    }
}

pub(crate) enum Prover {
    Nothing,
    Equality(Equality),
    FirstOf(Vec<Signed>),
    Either(Box<Prover>, Box<Prover>),
    Adyen(Vec<Key>),
    Twilio(Vec<Key>),
    PayPal(PayPal),
    Plaid(Plaid),
}

/// Why a request is not proven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denial {
    pub(crate) reason: Reason,
    /// Whether it may be proven later: then it must come again.
    pub(crate) is_early: bool,
}

impl From<Reason> for Denial {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            is_early: false,
        }
    }
}

impl Prover {
    pub(crate) fn new(proving: &Proving, credentials: &Credentials) -> Result<Self, BuildError> {
        let secrets = &credentials.secrets;
        match proving {
            Proving::Verify(Verify::Nothing) if secrets.is_empty() => return Ok(Self::Nothing),
            Proving::Verify(Verify::Nothing) => return Err(BuildError::NeedlessSecret),
            _ if secrets.is_empty() => return Err(BuildError::NoSecret),
            _ => {}
        }
        let keys = |algorithm, form| {
            let keys = secrets.iter();
            let keys = keys.map(|secret| Key::new(Algorithm::Hmac(algorithm), form, secret));
            keys.collect::<Result<Vec<_>, _>>()
        };
        match proving {
            Proving::Verify(verify) => Self::verify(verify, secrets),
            Proving::FirstOf(schemes) => first_of(schemes, secrets),
            Proving::BySecret {
                prefix,
                with,
                without,
                either,
            } => Self::by_secret(prefix, (with, without), *either, credentials),
            Proving::Adyen => keys(Hash::Sha256, KeyForm::Hex).map(Self::Adyen),
            Proving::Twilio => keys(Hash::Sha1, KeyForm::Utf8).map(Self::Twilio),
            Proving::PayPal => PayPal::new(credentials).map(Self::PayPal),
            Proving::Plaid => Plaid::new(credentials).map(Self::Plaid),
        }
    }

    fn verify(verify: &Verify, secrets: &[Secret]) -> Result<Self, BuildError> {
        let form = match verify {
            Verify::Nothing => return Ok(Self::Nothing),
            Verify::Signature(scheme) => return first_of(std::slice::from_ref(scheme), secrets),
            Verify::Basic if secrets.iter().any(|secret| !secret.text().contains(':')) => {
                return Err(BuildError::Secret("is not user:password"));
            }
            Verify::Basic => Form::Basic,
            Verify::Bearer => Form::Bearer,
            Verify::Header(name) => Form::At(Place::Header(name.clone())),
            Verify::Query(name) => Form::At(Place::Query(name.clone())),
        };
        Ok(Self::Equality(Equality::new(form, secrets)))
    }

    fn by_secret(
        prefix: &str,
        (with, without): (&Proving, &Proving),
        either: bool,
        credentials: &Credentials,
    ) -> Result<Self, BuildError> {
        let secrets = credentials.secrets.iter().cloned();
        let (named, others): (Vec<_>, Vec<_>) =
            secrets.partition(|secret| secret.text().trim_start().starts_with(prefix));
        let build = |proving, secrets| {
            let credentials = Credentials {
                secrets,
                ..credentials.clone()
            };
            Self::new(proving, &credentials)
        };
        match (named.is_empty(), others.is_empty()) {
            (true, _) => build(without, others),
            (false, false) if either => {
                let (with, without) = (build(with, named)?, build(without, others)?);
                Ok(Self::Either(Box::new(with), Box::new(without)))
            }
            (false, _) => build(with, named),
        }
    }

    pub(crate) fn prove<'a>(&'a self, request: &'a Request<'a>) -> Result<Proof<'a>, Denial> {
        match self {
            Self::Nothing => Ok(Proof::default()),
            Self::Equality(equality) => Ok(equality.prove(request)?),
            Self::FirstOf(schemes) => Ok(prove_first(schemes, request)?),
            Self::Either(one, other) => match (one.prove(request), other.prove(request)) {
                (Ok(proof), _) | (_, Ok(proof)) => Ok(proof),
                (Err(one), Err(other)) => Err(one.reason.max(other.reason).into()),
            },
            Self::Adyen(keys) => Ok(adyen::prove(keys, request)?),
            Self::Twilio(keys) => Ok(twilio::prove(keys, request)?),
            Self::PayPal(paypal) => Ok(paypal.prove(request)?),
            Self::Plaid(plaid) => plaid.prove(request).map_err(|fault| match fault {
                plaid::Fault::Reason(reason) => reason.into(),
                plaid::Fault::UnknownKey => Denial {
                    reason: Reason::Mismatch,
                    is_early: true,
                },
            }),
        }
    }

    /// The headers that prove a request, signed with the first of these secrets that can sign.
    pub(crate) fn sign(
        &self,
        request: &Request<'_>,
        secrets: &[Secret],
    ) -> Option<Vec<(String, String)>> {
        match self {
            Self::Nothing => Some(Vec::new()),
            Self::Equality(equality) => Some(vec![equality.sign(secrets.first()?)?]),
            Self::FirstOf(schemes) => schemes.first()?.sign(request),
            Self::Either(one, other) => {
                let signed = one.sign(request, secrets);
                signed.or_else(|| other.sign(request, secrets))
            }
            Self::Twilio(keys) => Some(vec![twilio::sign(keys.first()?, request)?]),
            // Adyen's signatures stand in the body, and PayPal's and Plaid's need a private key.
            Self::Adyen(_) | Self::PayPal(_) | Self::Plaid(_) => None,
        }
    }

    /// Whether what proves a request may be known to everybody.
    pub(crate) fn is_public(&self) -> bool {
        match self {
            Self::FirstOf(schemes) => schemes.iter().all(Signed::has_public_keys),
            Self::Either(one, other) => one.is_public() && other.is_public(),
            Self::PayPal(_) | Self::Plaid(_) => true,
            _ => false,
        }
    }

    pub(crate) fn signs_url(&self) -> bool {
        match self {
            Self::FirstOf(schemes) => schemes.iter().any(Signed::signs_url),
            Self::Either(one, other) => one.signs_url() || other.signs_url(),
            Self::Twilio(_) => true,
            _ => false,
        }
    }
}

impl Prover {
    /// Whether a proof stands in a header of this name.
    pub(crate) fn reads(&self, header: &str) -> bool {
        match self {
            Self::Nothing | Self::Adyen(_) => false,
            Self::Equality(equality) => equality.reads(header),
            Self::FirstOf(schemes) => schemes.iter().any(|scheme| scheme.reads(header)),
            Self::Either(one, other) => one.reads(header) || other.reads(header),
            Self::Twilio(_) => is_named(header, twilio::HEADER),
            Self::PayPal(_) => is_named(header, paypal::SIGNATURE),
            Self::Plaid(_) => is_named(header, plaid::HEADER),
        }
    }
}

fn first_of(schemes: &[Scheme], secrets: &[Secret]) -> Result<Prover, BuildError> {
    let schemes = schemes.iter().map(|scheme| Signed::new(scheme, secrets));
    Ok(Prover::FirstOf(schemes.collect::<Result<_, _>>()?))
}

fn prove_first<'a>(schemes: &'a [Signed], request: &'a Request<'a>) -> Result<Proof<'a>, Reason> {
    for scheme in schemes {
        if let Some(proof) = scheme.prove(request) {
            return proof;
        }
    }
    let is_named = schemes.iter().any(|scheme| scheme.is_named(request));
    Err(if is_named {
        Reason::Malformed
    } else {
        Reason::MissingHeader
    })
}
