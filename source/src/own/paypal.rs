//! PayPal: RSA over a line with the body's checksum in it. The certificates are given by the operator: whoever fetches them
//! from where the request says lets the sender choose.

use std::borrow::Cow;

use time::OffsetDateTime;

use crate::{
    build::BuildError,
    encoding::Encoding,
    engine::{der, key::Key, proof::Proof},
    moment,
    request::Request,
    scheme::Unit,
    secret::Credentials,
    verdict::Reason,
};

pub(crate) const SIGNATURE: &str = "PayPal-Transmission-Sig";

pub(crate) struct PayPal {
    /// They stand in the signed line, so they bind a signature to one address of ours.
    webhook_ids: Vec<String>,
    certificates: Vec<Usable>,
}

struct Usable {
    key: Key,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl PayPal {
    pub(crate) fn new(credentials: &Credentials) -> Result<Self, BuildError> {
        let fault = BuildError::Certificate("is not an X.509 certificate with an RSA key, in PEM");
        let certificates = credentials.certificates.iter().map(|pem| {
            let bytes = der::text(pem, "CERTIFICATE").ok_or(fault.clone())?;
            let certificate = der::certificate(&bytes).ok_or(fault.clone())?;
            Ok(Usable {
                key: Key::rsa(certificate.rsa_key),
                not_before: certificate.not_before,
                not_after: certificate.not_after,
            })
        });
        let certificates: Vec<_> = certificates.collect::<Result<_, BuildError>>()?;
        if certificates.is_empty() {
            return Err(BuildError::NoCertificate);
        }
        let webhook_ids = credentials.secrets.iter();
        Ok(Self {
            webhook_ids: webhook_ids.map(|id| id.text().to_owned()).collect(),
            certificates,
        })
    }

    pub(crate) fn prove<'a>(&self, request: &Request<'a>) -> Result<Proof<'a>, Reason> {
        let header = |name| request.header(name)?.ok_or(Reason::MissingHeader);
        let id = header("PayPal-Transmission-Id")?;
        let time = header("PayPal-Transmission-Time")?;
        let signature = header(SIGNATURE)?;
        if !header("PayPal-Auth-Algo")?.eq_ignore_ascii_case("SHA256withRSA") {
            return Err(Reason::Malformed);
        }
        let signature = Encoding::Base64.decode(signature.as_bytes());
        let signatures = [signature.ok_or(Reason::Malformed)?];
        let checksum = crc32fast::hash(request.body);
        let usable = self.certificates.iter();
        let usable = usable.filter(|one| (one.not_before..=one.not_after).contains(&request.now));
        let keys: Vec<_> = usable.map(|one| &one.key).collect();
        let fits = self.webhook_ids.iter().map(|webhook_id| {
            let line = format!("{id}|{time}|{webhook_id}|{checksum}");
            let line = [Cow::Owned(line.into_bytes())];
            let fits = keys.iter().map(|key| key.has_made(&line, &signatures));
            fits.fold(false, |any, fits| any | fits)
        });
        let fits: Vec<_> = fits.collect();
        Ok(Proof {
            secret: fits.iter().position(|&fits| fits).ok_or(Reason::Mismatch)?,
            time: moment::signed(time, Unit::Iso),
            ..Proof::default()
        })
    }
}
