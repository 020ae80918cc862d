//! The tokens that are known at one moment. Data alone; what reads them from settings and files, and reads those again, is
//! elsewhere.

use std::fmt;

use entity::lifecycle::operate::Who;
use ring::digest;
use subtle::ConstantTimeEq as _;

/// A secret, and by which name whoever has it is known.
#[derive(Clone)]
pub struct Token {
    name: Who,
    /// Its SHA-256: secrets of any length are compared in one time.
    digest: [u8; 32],
}

impl Token {
    /// Of this name and secret.
    pub fn new(name: Who, secret: &str) -> Self {
        Self {
            name,
            digest: digest(secret),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.name.as_ref())
    }
}

/// All of them, as they are at one moment: a request is judged by one snapshot.
#[derive(Debug, Default)]
pub struct Tokens {
    /// For reading alone.
    read: Vec<Token>,
    /// For everything.
    admin: Vec<Token>,
    faults: Vec<String>,
}

/// Whose token a request has.
pub(super) struct Holder {
    pub(super) name: Who,
    pub(super) may_change: bool,
}

impl Tokens {
    /// `faults`: see [`faults`](Self::faults).
    pub fn new(read: Vec<Token>, admin: Vec<Token>, faults: Vec<String>) -> Self {
        Self {
            read,
            admin,
            faults,
        }
    }

    /// The same tokens, with other faults.
    pub fn with_faults(&self, faults: Vec<String>) -> Self {
        Self::new(self.read.clone(), self.admin.clone(), faults)
    }

    /// Whether a token is needed for reading.
    pub fn guard_reads(&self) -> bool {
        !self.read.is_empty()
    }

    /// Whether anybody may change anything over HTTP.
    pub fn allow_changes(&self) -> bool {
        !self.admin.is_empty()
    }

    /// One sentence for each file that could not be read again, or was wrong when it was: what was last good stands. They
    /// hold no secret.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Whose secret it is, if it is anybody's. All are compared, whichever it is.
    pub(super) fn holder(&self, secret: &str) -> Option<Holder> {
        let given = digest(secret);
        let read = self.read.iter().map(|token| (token, false));
        let admin = self.admin.iter().map(|token| (token, true));
        let compared = read
            .chain(admin)
            .map(|(token, may_change)| (token.digest.ct_eq(&given), token, may_change));
        let compared: Vec<_> = compared.collect();
        let found = compared
            .into_iter()
            .find(|(is_same, ..)| bool::from(*is_same));
        found.map(|(_, token, may_change)| Holder {
            name: token.name.clone(),
            may_change,
        })
    }
}

fn digest(secret: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    let mut array = [0; 32];
    array.copy_from_slice(digest.as_ref());
    array
}
