//! Questions that a sender asks of a new address. Each belongs to a preset: to a source that does not know it, it is a
//! request like any other.
//!
//! Zoom and X have the secret's MAC of a text of the asker's choice told to them. What they may choose is a short token, which
//! is never the text that is signed of an event.

use std::borrow::Cow;

use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::{
    encoding::{Encoding, hex},
    engine::key::Key,
    json,
    place::pointer,
    request::{Request, form_value},
    scheme::Hash,
    secret::{Credentials, Secret},
    verdict::{Reason, Refusal, Reply},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Handshake {
    #[default]
    None,
    /// HEAD: is anybody there?
    Head,
    /// GET `?challenge=…`, to be sent back.
    Challenge,
    /// GET `?hub.challenge=…`, to be sent back to whoever knows the verify token.
    Meta,
    /// GET `?crc_token=…`, to be signed.
    X,
    /// `url_verification`, to be sent back.
    Slack,
    /// `endpoint.url_validation`, to be signed.
    Zoom,
    /// `webhook_callback_verification`, to be sent back.
    Twitch,
    /// No events.
    Xero,
}

/// Characters of a challenge that is sent back, and of a token that is signed.
const CHALLENGE_MAX: usize = 1024;
const TOKEN_MAX: usize = 128;

pub(crate) struct Handshaker {
    kind: Handshake,
    keys: Vec<Key>,
    verify_token: Option<Secret>,
}

impl Handshaker {
    pub(crate) fn new(kind: Handshake, credentials: &Credentials) -> Self {
        let secrets = credentials.secrets.iter();
        Self {
            kind,
            keys: secrets
                .map(|secret| Key::hmac(Hash::Sha256, secret.text().as_bytes()))
                .collect(),
            verify_token: credentials.verify_token.clone(),
        }
    }

    /// Whether its sender asks with a token that was agreed upon.
    pub(crate) fn asks_with_token(&self) -> bool {
        self.kind == Handshake::Meta
    }

    /// The answer to a request that is no POST, which nothing proves.
    pub(crate) fn ask(&self, request: &Request<'_>) -> Result<Reply, Refusal> {
        let value = |name| form_value(request.query.as_bytes(), name).ok().flatten();
        let answer = match (self.kind, request.method) {
            (Handshake::Head, "HEAD") => Some(Reply::empty(200)),
            (Handshake::Challenge, "GET") => value("challenge").and_then(echo),
            (Handshake::X, "GET") => value("crc_token").and_then(|token| self.crc(&token)),
            (Handshake::Meta, "GET") => return self.meta(request),
            _ => None,
        };
        answer.ok_or(Refusal {
            reason: Reason::Malformed,
            status: 405,
        })
    }

    /// The answer to a proven request, if it is a question: proven with this secret.
    pub(crate) fn answer(&self, request: &Request<'_>, secret: usize) -> Option<Reply> {
        let text = |path: &str| {
            let path = pointer(path).ok()?;
            json::find(request.body, &path).and_then(json::scalar)
        };
        match self.kind {
            Handshake::Slack if text("/type")? == "url_verification" => echo(text("/challenge")?),
            Handshake::Zoom if text("/event")? == "endpoint.url_validation" => {
                let token = text("/payload/plainToken")?;
                let signed = self.keys.get(secret)?.sign(&[bytes(token_of(&token)?)])?;
                Some(Reply::json(
                    &json!({"plainToken": token, "encryptedToken": hex(&signed)}),
                ))
            }
            Handshake::Twitch => {
                let kind = request.header("Twitch-Eventsub-Message-Type").ok()??;
                let is_question = kind == "webhook_callback_verification";
                is_question.then(|| echo(text("/challenge")?)).flatten()
            }
            Handshake::Xero => {
                let events = json::find(request.body, &["events".to_owned()])?;
                let events = json::items(events, usize::MAX)?;
                events.is_empty().then(|| Reply::empty(200))
            }
            _ => None,
        }
    }

    fn crc(&self, token: &str) -> Option<Reply> {
        let signed = self.keys.first()?.sign(&[bytes(token_of(token)?)])?;
        let signed = Encoding::Base64.encode(&signed);
        Some(Reply::json(
            &json!({"response_token": format!("sha256={signed}")}),
        ))
    }

    fn meta(&self, request: &Request<'_>) -> Result<Reply, Refusal> {
        let value = |name| form_value(request.query.as_bytes(), name).ok().flatten();
        let known = self.verify_token.as_ref().map_or("", Secret::text);
        let given = value("hub.verify_token").unwrap_or_default();
        let is_equal = bool::from(known.as_bytes().ct_eq(given.as_bytes()));
        let is_question = value("hub.mode").is_some_and(|mode| mode == "subscribe");
        let challenge = value("hub.challenge").and_then(echo);
        let is_known = is_equal && is_question && !known.is_empty();
        challenge.filter(|_| is_known).ok_or(Refusal {
            reason: Reason::Mismatch,
            status: 403,
        })
    }
}

/// Sent back as plain text: a browser must not take it for a page.
fn echo(challenge: Cow<'_, str>) -> Option<Reply> {
    let is_short = !challenge.is_empty() && challenge.len() <= CHALLENGE_MAX;
    is_short.then(|| Reply::text(challenge))
}

fn token_of(text: &str) -> Option<&str> {
    let is_token = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let is_short = !text.is_empty() && text.len() <= TOKEN_MAX;
    (is_short && text.bytes().all(is_token)).then_some(text)
}

fn bytes(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}
