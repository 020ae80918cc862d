//! Who may send: the sources as they are configured at one moment. Data alone; what reads it from files and variables, and
//! reads those again, is elsewhere.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use entity::name::BUILT_IN;
use source::Source;

use crate::metrics::SourceMetrics;

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
    /// Without a genuine event for so long it is silent, and operators are told.
    pub silent_after: Option<Duration>,
}

/// All of them, as they are at one moment: a request is judged by one snapshot.
#[derive(Debug, Default)]
pub struct Sources {
    by_name: BTreeMap<String, Known>,
    /// Of the built-in source, which is there without a secret, too.
    built_in: Arc<SourceMetrics>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Known {
    sender: Arc<Sender>,
    metrics: Arc<SourceMetrics>,
}

impl Sources {
    /// `faults`: see [`faults`](Self::faults).
    pub fn new(senders: impl IntoIterator<Item = Arc<Sender>>, faults: Vec<String>) -> Self {
        Self::default().followed_by(senders, faults)
    }

    /// These instead. What was counted of those that stay goes on.
    pub fn followed_by(
        &self,
        senders: impl IntoIterator<Item = Arc<Sender>>,
        faults: Vec<String>,
    ) -> Self {
        let senders = senders.into_iter().map(|sender| {
            let metrics = match self.by_name.get(&sender.name) {
                _ if sender.name == BUILT_IN => self.built_in.clone(),
                Some(known) => known.metrics.clone(),
                None => Arc::default(),
            };
            (sender.name.clone(), Known { sender, metrics })
        });
        Self {
            by_name: senders.collect(),
            built_in: self.built_in.clone(),
            faults,
        }
    }

    /// The one of this name, to the letter.
    pub fn get(&self, name: &str) -> Option<&Arc<Sender>> {
        self.by_name.get(name).map(|known| &known.sender)
    }

    /// The same, with what is counted of it.
    pub(crate) fn known(&self, name: &str) -> Option<(&Arc<Sender>, &Arc<SourceMetrics>)> {
        let known = self.by_name.get(name)?;
        Some((&known.sender, &known.metrics))
    }

    /// What is counted of the built-in source.
    pub(crate) fn built_in_metrics(&self) -> &Arc<SourceMetrics> {
        &self.built_in
    }

    /// What is counted of each source, by name; of the built-in one, too.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = (&str, &SourceMetrics)> {
        let others = self.by_name.iter();
        let others = others.map(|(name, known)| (name.as_str(), &*known.metrics));
        [(BUILT_IN, &*self.built_in)]
            .into_iter()
            .chain(others.filter(|(name, _)| *name != BUILT_IN))
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Sender>> {
        self.by_name.values().map(|known| &known.sender)
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
            silent_after: None,
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
    fn what_was_counted_of_a_source_stays_with_it() {
        let before = Sources::new([sender("stripe"), sender("acme")], Vec::new());
        before.built_in_metrics().proven(0);
        before.known("stripe").unwrap().1.proven(0);
        let after = before.followed_by([sender("stripe"), sender(BUILT_IN)], Vec::new());
        let heard = after.metrics();
        let heard: Vec<_> = heard.map(|(name, m)| (name, m.take_heard())).collect();
        assert_eq!(heard, [(BUILT_IN, true), ("stripe", true)]);
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
