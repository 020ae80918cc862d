//! The vectors, and what is done to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use source::{Credentials, Event, Reason, Refusal, Request, Secret, Settings, Source, Verdict};
use time::OffsetDateTime;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) id: String,
    /// Where it comes from.
    #[serde(rename = "src")]
    _origin: String,
    pub(crate) preset: String,
    pub(crate) secret: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) ok: bool,
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) url: String,
    pub(crate) now: Option<i64>,
    pub(crate) answer: Option<String>,
    #[serde(default)]
    pub(crate) note: String,
}

/// The clock of vectors without one: no time of theirs is looked at, but that of a certificate.
pub(crate) const NOW: i64 = 1_790_000_000;

pub(crate) fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

pub(crate) fn vector(id: &str) -> Vector {
    let mut vectors = vectors().into_iter();
    vectors.find(|vector| vector.id == id).unwrap()
}

/// The name by which a vector's sender is configured.
pub(crate) fn preset(vector: &Vector) -> &str {
    match vector.preset.as_str() {
        "standard-webhooks v1a" => "standard-webhooks",
        "gitlab (signing token)" => "gitlab",
        "coinbase-cdp (Hook0)" => "coinbase-cdp",
        "mollie (next-gen)" => "mollie",
        "flutterwave v4" => "flutterwave-v4",
        "flutterwave v3" => "flutterwave-v3",
        "adyen (header form)" => "adyen-platforms",
        "x (CRC)" => "x",
        name => name,
    }
}

impl Vector {
    pub(crate) fn source(&self) -> Source {
        let settings = Settings {
            preset: Some(preset(self).to_owned()),
            ..Settings::default()
        };
        // The words before the secret say what it is.
        let secret = self.secret.trim_start_matches("webhook id ");
        let secret = secret.trim_start_matches("JWK ");
        let certificate = self.note.split_once("cert: ");
        let credentials = Credentials {
            secrets: vec![Secret::from(secret)],
            certificates: certificate
                .map(|(_, pem)| pem.to_owned())
                .into_iter()
                .collect(),
            verify_token: None,
        };
        Source::new(&settings, &credentials).unwrap()
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name).unwrap();
        self
    }

    pub(crate) fn with_body(mut self, body: &str) -> Self {
        assert_ne!(self.body, body);
        self.body = body.to_owned();
        self
    }

    pub(crate) fn with_now(mut self, now: i64) -> Self {
        self.now = Some(now);
        self
    }

    pub(crate) fn with_url(mut self, url: &str) -> Self {
        assert_ne!(self.url, url);
        self.url = url.to_owned();
        self
    }

    /// Calls `look` with the request.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        look(&Request {
            method: "POST",
            url: &self.url,
            query: "",
            headers: &headers,
            body: self.body.as_bytes(),
            now: OffsetDateTime::from_unix_timestamp(self.now.unwrap_or(NOW)).unwrap(),
        })
    }

    /// Calls `look` with what the request comes to.
    pub(crate) fn judge<T>(&self, look: impl FnOnce(Verdict<'_>) -> T) -> T {
        self.with(|request| look(self.source().judge(request)))
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.judge(|verdict| match verdict {
            Verdict::Genuine(events) => events.into_iter().filter_map(|event| event.id).collect(),
            other => panic!("{}: {other:?}", self.id),
        })
    }

    pub(crate) fn one<T>(&self, look: impl FnOnce(&Event<'_>) -> T) -> T {
        self.judge(|verdict| match verdict {
            Verdict::Genuine(events) if events.len() == 1 => look(&events[0]),
            other => panic!("{}: {other:?}", self.id),
        })
    }

    pub(crate) fn refusal(&self) -> Refusal {
        self.judge(|verdict| match verdict {
            Verdict::Refused(refusal) => refusal,
            other => panic!("{}: {other:?}", self.id),
        })
    }

    pub(crate) fn is_refused_for(&self, reason: Reason) {
        assert_eq!(self.refusal().reason, reason, "{}", self.id);
    }
}
