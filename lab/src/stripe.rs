//! Stripe, as a sender of events that are signed. Made anew here, after what Stripe documents: the service's own code is not
//! what proves it right.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring::hmac;

/// The name that the service knows it by, which is its preset's, too.
pub(crate) const SOURCE: &str = "stripe";
/// The header with the signature.
pub(crate) const SIGNATURE: &str = "stripe-signature";
/// What both sides know. A Stripe secret is its own bytes, prefix and all.
pub(crate) const SECRET: &str = "whsec_kR4nUo0aD2fYq7LxvT9eWm3sHjB6cPzG";
/// How the service is told, which is all that it needs.
pub(crate) const VARIABLE: (&str, &str) = ("SOURCE_STRIPE_SECRET", SECRET);

/// Bytes of an event, about what Stripe's have.
const EVENT_BYTES: usize = 1024;

/// Whoever knows a secret.
pub(crate) struct Signer(hmac::Key);

impl Signer {
    pub(crate) fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// The value of [`SIGNATURE`] for a body that leaves now.
    pub(crate) fn sign(&self, body: &str) -> String {
        self.sign_at(SystemTime::now(), body)
    }

    pub(crate) fn sign_at(&self, time: SystemTime, body: &str) -> String {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let time = time.as_secs();
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{time}.").as_bytes());
        signing.update(body.as_bytes());
        let mut header = format!("t={time},v1=");
        for byte in signing.sign().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(header, "{byte:02x}");
        }
        header
    }
}

/// The body of an event. Id and type say everything that differs; whoever writes the rest anew changes its bytes.
pub(crate) fn event(id: &str, kind: &str) -> String {
    let start = format!(
        r#"{{"id":"{id}","object":"event","api_version":"2026-06-30","created":1790000000,"type":"{kind}","livemode":false,"pending_webhooks":1,"data":{{"object":{{"object":"charge","amount":1500,"currency":"inr","rate": 1.10, "paid":true,"note":"ü\u00fc","description":""#
    );
    let end = r#""}}}"#;
    let fill = EVENT_BYTES.saturating_sub(start.len() + end.len());
    format!("{start}{:x<fill$}{end}", "")
}

#[cfg(test)]
mod tests {
    use source::{Credentials, Reason, Request, Settings, Source, Verdict};
    use time::OffsetDateTime;

    use super::*;

    /// What the service's own judge sees: the event's id and type, or why there is none.
    fn judged(body: &str, signature: &str) -> Result<[Option<String>; 2], Reason> {
        let settings = Settings {
            preset: Some(SOURCE.to_owned()),
            ..Settings::default()
        };
        let credentials = Credentials {
            secrets: vec![SECRET.into()],
            ..Credentials::default()
        };
        let judge = Source::new(&settings, &credentials).unwrap();
        let request = Request {
            method: "POST",
            url: "",
            query: "",
            headers: &[(SIGNATURE, signature.as_bytes())],
            body: body.as_bytes(),
            now: OffsetDateTime::now_utc(),
        };
        match judge.judge(&request) {
            Verdict::Genuine(events) => {
                let [event] = &events[..] else {
                    panic!("{events:?}")
                };
                assert_eq!(event.content, body.as_bytes());
                Ok([event.id.clone(), event.kind.clone()])
            }
            Verdict::Refused(refusal) => Err(refusal.reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_signed_is_genuine_and_tells_its_id_and_type() {
        let body = event("evt_1", "charge.succeeded");
        assert_eq!(body.len(), EVENT_BYTES);
        let signature = Signer::new(SECRET).sign(&body);
        let told = ["evt_1", "charge.succeeded"].map(|text| Some(text.to_owned()));
        assert_eq!(judged(&body, &signature), Ok(told));
    }

    #[test]
    fn what_is_signed_with_another_secret_or_for_another_body_or_long_ago_is_not() {
        let body = event("evt_1", "charge.succeeded");
        let other = Signer::new("whsec_other").sign(&body);
        assert_eq!(judged(&body, &other), Err(Reason::Mismatch));
        let signer = Signer::new(SECRET);
        let another = signer.sign(&event("evt_2", "charge.succeeded"));
        assert_eq!(judged(&body, &another), Err(Reason::Mismatch));
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let stale = judged(&body, &signer.sign_at(long_ago, &body));
        assert!(matches!(stale, Err(Reason::Stale { .. })), "{stale:?}");
    }
}
