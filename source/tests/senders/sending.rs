//! Sources, and requests to them.

use source::{
    BuildError, Credentials, Event, Reason, Refusal, Request, Secret, Settings, Source, Verdict,
};
use time::OffsetDateTime;

use crate::vector::NOW;

pub(crate) fn credentials(secrets: &[&str]) -> Credentials {
    Credentials {
        secrets: secrets.iter().map(|&secret| Secret::from(secret)).collect(),
        ..Credentials::default()
    }
}

pub(crate) fn build(settings: &str, secrets: &[&str]) -> Result<Source, BuildError> {
    let settings: Settings = serde_json::from_str(settings).unwrap();
    Source::new(&settings, &credentials(secrets))
}

pub(crate) fn preset(name: &str, secrets: &[&str]) -> Source {
    build(&format!(r#"{{"preset":"{name}"}}"#), secrets).unwrap()
}

/// A request, ready to be changed.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) now: i64,
}

impl Post {
    pub(crate) fn new(body: impl AsRef<[u8]>) -> Self {
        Self {
            method: "POST",
            url: "https://pay.example.com/v1/webhooks/it".to_owned(),
            headers: Vec::new(),
            body: body.as_ref().to_vec(),
            now: NOW,
        }
    }

    pub(crate) fn get(query: &str) -> Self {
        let mut get = Self::new("");
        get.method = "GET";
        get.url = format!("{}?{query}", get.url);
        get
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With the headers that make it genuine.
    pub(crate) fn signed(mut self, source: &Source) -> Self {
        let headers = self.with(|request| source.sign(request)).unwrap();
        let headers = headers.into_iter();
        self.headers
            .extend(headers.map(|(name, value)| (name, value.into_bytes())));
        self
    }

    pub(crate) fn at(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        look(&Request {
            method: self.method,
            url: &self.url,
            query: self.url.split_once('?').map_or("", |(_, query)| query),
            headers: &headers,
            body: &self.body,
            now: OffsetDateTime::from_unix_timestamp(self.now).unwrap(),
        })
    }

    /// The value of the first header of this name.
    pub(crate) fn value(&mut self, name: &str) -> &mut Vec<u8> {
        let mut headers = self.headers.iter_mut();
        let header = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        &mut header.unwrap().1
    }

    pub(crate) fn verdict<T>(&self, source: &Source, look: impl FnOnce(Verdict<'_>) -> T) -> T {
        self.with(|request| look(source.judge(request)))
    }

    /// What `look` sees in its events.
    pub(crate) fn events<T>(&self, source: &Source, look: impl Fn(&Event<'_>) -> T) -> Vec<T> {
        self.verdict(source, |verdict| match verdict {
            Verdict::Genuine(events) => events.iter().map(look).collect(),
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn ids(&self, source: &Source) -> Vec<Option<String>> {
        self.events(source, |event| event.id.clone())
    }

    pub(crate) fn id(&self, source: &Source) -> String {
        let mut ids = self.ids(source);
        assert_eq!(ids.len(), 1);
        ids.remove(0).unwrap()
    }

    pub(crate) fn refusal(&self, source: &Source) -> Refusal {
        self.verdict(source, |verdict| match verdict {
            Verdict::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn reason(&self, source: &Source) -> Reason {
        self.refusal(source).reason
    }
}
