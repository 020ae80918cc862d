//! Who may send: the sources as they are configured at one moment. Data alone; what reads it from files and variables, and
//! reads those again, is elsewhere.

use std::{collections::BTreeMap, sync::Arc};

pub use entity::name::BUILT_IN;
use source::Source;

/// One sender, as the HTTP side sees it.
#[derive(Debug)]
pub struct Sender {
    /// As in the path: 1 to 63 of `a-z 0-9 - _ .`, the first a letter or a digit.
    pub name: String,
    /// By what its requests are judged. Of the built-in source's, only whether they are proven counts
    /// ([`Source::prove`]).
    pub source: Source,
    /// How long a body may be, in bytes.
    pub body_bytes_max: usize,
    /// The address by which the sender knows us, without a query. It is there wherever that is signed
    /// ([`Source::signs_url`]).
    pub public_url: Option<String>,
}

/// All of them, as they are at one moment: a request is judged by one snapshot.
#[derive(Debug, Default)]
pub struct Sources {
    by_name: BTreeMap<String, Arc<Sender>>,
    faults: Vec<String>,
}

impl Sources {
    /// `faults`: see [`faults`](Self::faults).
    pub fn new(senders: impl IntoIterator<Item = Arc<Sender>>, faults: Vec<String>) -> Self {
        let senders = senders.into_iter();
        Self {
            by_name: senders
                .map(|sender| (sender.name.clone(), sender))
                .collect(),
            faults,
        }
    }

    /// The one of this name, to the letter.
    pub fn get(&self, name: &str) -> Option<&Arc<Sender>> {
        self.by_name.get(name)
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Sender>> {
        self.by_name.values()
    }

    /// The built-in source, if it has been given a secret.
    pub fn built_in(&self) -> Option<&Arc<Sender>> {
        self.get(BUILT_IN)
    }

    /// One sentence for each thing that could not be read again, or was wrong when it was: what was last good stands. They
    /// hold no secret.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use source::{Credentials, Settings};

    fn sender(name: &str) -> Arc<Sender> {
        let settings = Settings {
            preset: Some("stripe".into()),
            ..Settings::default()
        };
        let credentials = Credentials {
            secrets: vec!["whsec_s3cret".into()],
            ..Credentials::default()
        };
        Arc::new(Sender {
            name: name.into(),
            source: Source::new(&settings, &credentials).unwrap(),
            body_bytes_max: 1024,
            public_url: None,
        })
    }

    #[test]
    fn a_source_is_found_by_its_name_alone() {
        let sources = Sources::new([sender("stripe"), sender("acme")], Vec::new());
        let names: Vec<_> = sources.iter().map(|sender| sender.name.as_str()).collect();
        assert_eq!(names, ["acme", "stripe"]);
        assert_eq!(sources.get("acme").unwrap().name, "acme");
        for other in ["", "Acme", "acme ", "transactions"] {
            assert!(sources.get(other).is_none(), "{other}");
        }
        assert!(sources.built_in().is_none());
        let sources = Sources::new([sender(BUILT_IN)], vec!["a sentence".into()]);
        assert!(sources.built_in().is_some());
        assert_eq!(sources.faults(), ["a sentence"]);
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = format!("{:?}", Sources::new([sender("stripe")], Vec::new()));
        assert!(
            shown.contains("stripe") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
