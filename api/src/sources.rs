//! Who may send, as it is configured now.

use std::collections::BTreeMap;

use entity::{SourceName, name::BUILT_IN};
use source::Source;

/// One sender.
#[derive(Debug)]
pub struct Sender {
    /// As its path names it.
    pub name: SourceName,
    pub source: Source,
    /// The longest body that is read of it, in bytes.
    pub body_bytes_max: usize,
    /// The address by which the sender knows us. There where it is signed.
    pub public_url: Option<String>,
}

/// All of them, by name.
#[derive(Debug, Default)]
pub struct Sources {
    senders: BTreeMap<String, Sender>,
    faults: Vec<String>,
}

impl Sources {
    /// `faults`: what could not be read anew, a sentence each; what was there before stands.
    pub fn new(senders: Vec<Sender>, faults: Vec<String>) -> Self {
        let senders = senders.into_iter();
        Self {
            senders: senders
                .map(|sender| (sender.name.to_string(), sender))
                .collect(),
            faults,
        }
    }

    pub fn get(&self, name: &str) -> Option<&Sender> {
        self.senders.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Sender> {
        self.senders.values()
    }

    /// How the built-in source is proven, if it is to be.
    pub fn built_in(&self) -> Option<&Sender> {
        self.get(BUILT_IN)
    }

    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}
