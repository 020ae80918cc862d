//! The secret itself is what is sent.

use ring::digest;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{
    encoding::Encoding,
    engine::proof::Proof,
    place::{Place, View},
    request::{Request, is_named},
    secret::Secret,
    verdict::Reason,
};

pub(crate) struct Equality {
    form: Form,
    /// SHA-256 of each secret: values of any length are compared in one time.
    digests: Vec<[u8; 32]>,
}

pub(crate) enum Form {
    /// `Authorization: Basic`: base64 of `user:password`.
    Basic,
    /// `Authorization: Bearer`.
    Bearer,
    At(Place),
}

impl Equality {
    pub(crate) fn new(form: Form, secrets: &[Secret]) -> Self {
        let digests = secrets
            .iter()
            .map(|secret| digest(secret.text().as_bytes()));
        Self {
            form,
            digests: digests.collect(),
        }
    }

    pub(crate) fn prove<'a>(&self, request: &'a Request<'a>) -> Result<Proof<'a>, Reason> {
        let given = digest(&self.form.read(request)?);
        let compared = self.digests.iter().map(|digest| digest.ct_eq(&given));
        let compared: Vec<Choice> = compared.collect();
        let secret = compared.into_iter().position(bool::from);
        Ok(Proof {
            secret: secret.ok_or(Reason::Mismatch)?,
            ..Proof::default()
        })
    }

    /// Whether the secret stands in a header of this name.
    pub(crate) fn reads(&self, header: &str) -> bool {
        match &self.form {
            Form::Basic | Form::Bearer => is_named(header, "Authorization"),
            Form::At(Place::Header(name)) => is_named(header, name),
            Form::At(_) => false,
        }
    }

    /// The header that proves a request.
    pub(crate) fn sign(&self, secret: &Secret) -> Option<(String, String)> {
        let secret = secret.text();
        match &self.form {
            Form::Basic => {
                let base64 = Encoding::Base64.encode(secret.as_bytes());
                Some(("Authorization".to_owned(), format!("Basic {base64}")))
            }
            Form::Bearer => Some(("Authorization".to_owned(), format!("Bearer {secret}"))),
            Form::At(Place::Header(name)) => Some((name.clone(), secret.to_owned())),
            Form::At(_) => None,
        }
    }
}

impl Form {
    fn read<'a>(&self, request: &'a Request<'a>) -> Result<Vec<u8>, Reason> {
        let given = match self {
            Self::Basic => {
                let base64 = authorization(request, "Basic")?;
                return Encoding::Base64
                    .decode(base64.as_bytes())
                    .ok_or(Reason::Malformed);
            }
            Self::Bearer => authorization(request, "Bearer")?.into(),
            // What a header holds beyond ASCII is compared like all else, and not read.
            Self::At(Place::Header(name)) => {
                let mut values = request.headers(name);
                return match (values.next(), values.next()) {
                    (Some(value), None) => Ok(value.trim_ascii().to_vec()),
                    (Some(_), Some(_)) => Err(Reason::Malformed),
                    (None, _) => Err(Reason::MissingHeader),
                };
            }
            Self::At(place) => {
                let view = View {
                    request,
                    content: request.body,
                    items: &[],
                };
                view.text(place)?.ok_or(Reason::MissingHeader)?
            }
        };
        Ok(given.into_owned().into_bytes())
    }
}

/// What follows this word, in any case (RFC 9110, 11.1), in the header `Authorization`.
fn authorization<'a>(request: &Request<'a>, scheme: &str) -> Result<&'a str, Reason> {
    let value = request.header("Authorization")?;
    let value = value.ok_or(Reason::MissingHeader)?;
    let (word, given) = value.split_once(' ').ok_or(Reason::Malformed)?;
    if !word.eq_ignore_ascii_case(scheme) {
        return Err(Reason::MissingHeader);
    }
    Ok(given.trim_ascii())
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut array = [0; 32];
    array.copy_from_slice(digest.as_ref());
    array
}
