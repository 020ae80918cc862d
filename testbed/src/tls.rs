//! Certificates for servers that speak TLS.

#[cfg(feature = "certificates")]
mod generate;

use std::path::PathBuf;

/// Paths of a certificate authority's certificate, and of a server's certificate and private key, all PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What a client must trust.
    pub ca: PathBuf,
    /// The server's certificate, signed by the authority.
    pub cert: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}
