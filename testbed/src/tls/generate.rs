//! Makes them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::Certificates;

/// The names and addresses that the server's certificate stands for.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

impl Certificates {
    /// Writes `ca.pem`, `cert.pem` and `key.pem` into the folder `dir`: a new authority, which then forgets its key,
    /// and a certificate for `localhost` and `127.0.0.1`.
    pub fn generate(dir: &Path) -> Result<Self> {
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "Hookline testbed authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;

        let mut server = CertificateParams::new(NAMES.map(String::from))?;
        server
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let server_key = KeyPair::generate()?;
        let server_certificate = server.signed_by(&server_key, &Issuer::new(ca, ca_key))?;

        Ok(Self {
            ca: write(dir.join("ca.pem"), &ca_certificate.pem())?,
            cert: write(dir.join("cert.pem"), &server_certificate.pem())?,
            key: write(dir.join("key.pem"), &server_key.serialize_pem())?,
        })
    }
}

fn write(path: PathBuf, pem: &str) -> Result<PathBuf> {
    fs::write(&path, pem).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
