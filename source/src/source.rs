//! A source: one sender, as it is configured.

use std::fmt;

use crate::{
    build::BuildError,
    engine::proof::Proof,
    event::Identity,
    handshake::Handshaker,
    hint::{self, Hint},
    place::sha256,
    presets::{self, Preset},
    prover::{Prover, Proving},
    request::Request,
    secret::Credentials,
    settings::{Answer, Settings},
    verdict::{Reason, Refusal, Reply, Verdict},
};

pub struct Source {
    name: String,
    prover: Prover,
    proving: Proving,
    credentials: Credentials,
    identity: Identity,
    handshaker: Handshaker,
    answer: Reply,
    /// What a request that is not proven is answered.
    refused: u16,
}

/// Proven, and no event can be read from it: sent again it would be the same.
const UNREADABLE: u16 = 422;
/// It may be proven later.
const TOO_EARLY: u16 = 503;

impl Source {
    /// Settings and secrets are checked here, and never while a request is judged.
    pub fn new(settings: &Settings, credentials: &Credentials) -> Result<Self, BuildError> {
        credentials.check()?;
        let preset = match (&settings.preset, &settings.verify) {
            (Some(name), verify) => {
                let preset = presets::find(name);
                let preset = preset.ok_or_else(|| BuildError::UnknownPreset(name.clone()))?;
                Preset {
                    proving: verify
                        .clone()
                        .map_or(preset.proving.clone(), Proving::Verify),
                    ..preset
                }
            }
            (None, Some(verify)) => Preset::new(Proving::Verify(verify.clone())),
            (None, None) => return Err(BuildError::NoProof),
        };
        let merged = merged(settings, &preset.settings);
        let answer = merged.answer.as_ref().map(reply).transpose()?;
        Ok(Self {
            name: settings
                .preset
                .clone()
                .unwrap_or_else(|| "generic".to_owned()),
            prover: Prover::new(&preset.proving, credentials)?,
            proving: preset.proving,
            credentials: credentials.clone(),
            identity: Identity::new(&merged, settings.id.is_none())?,
            handshaker: Handshaker::new(preset.handshake, credentials),
            answer: answer.unwrap_or_else(|| Reply::empty(200)),
            refused: preset.refused,
        })
    }

    /// Whether a request is proven, whatever its body says and whoever asks: what the self-test and the built-in source need,
    /// which has fields of its own. What comes out is by which of its secrets, counted from 0; or the refusal that
    /// [`judge`](Self::judge) would give.
    pub fn prove(&self, request: &Request<'_>) -> Result<usize, Refusal> {
        self.proof(request).map(|proof| proof.secret)
    }

    /// What a request is.
    pub fn judge<'a>(&self, request: &Request<'a>) -> Verdict<'a> {
        self.judge_by(request).0
    }

    /// What a request is, and by which of its secrets it was proven, counted from 0; `None` if it was not.
    pub fn judge_by<'a>(&self, request: &Request<'a>) -> (Verdict<'a>, Option<usize>) {
        if request.method != "POST" {
            let verdict = match self.handshaker.ask(request) {
                Ok(reply) => Verdict::Handshake(reply),
                Err(refusal) => Verdict::Refused(refusal),
            };
            return (verdict, None);
        }
        match self.proof(request) {
            Ok(proof) => (self.proven(request, &proof), Some(proof.secret)),
            Err(refusal) => (Verdict::Refused(refusal), None),
        }
    }

    /// What a request is that is proven.
    fn proven<'a>(&self, request: &Request<'a>, proof: &Proof<'_>) -> Verdict<'a> {
        if let Some(reply) = self.handshaker.answer(request, proof.secret) {
            return Verdict::Handshake(reply);
        }
        match self.identity.events(request, proof) {
            Ok(events) => Verdict::Genuine(events),
            Err(reason) => {
                let is_unreadable = reason == Reason::Unreadable;
                let status = if is_unreadable {
                    UNREADABLE
                } else {
                    self.refused
                };
                Verdict::Refused(Refusal { reason, status })
            }
        }
    }

    fn proof<'a>(&'a self, request: &'a Request<'a>) -> Result<Proof<'a>, Refusal> {
        self.prover.prove(request).map_err(|denial| Refusal {
            reason: denial.reason,
            status: match denial.is_early {
                true => TOO_EARLY,
                false => self.refused,
            },
        })
    }

    /// What a genuine request is answered after its events are committed, the first time and each time after.
    pub fn answer(&self) -> &Reply {
        &self.answer
    }

    /// Whether a request's address is signed, so that it must be known under which one the sender knows us.
    pub fn signs_url(&self) -> bool {
        self.prover.signs_url()
    }

    /// Whether anything is proven at all.
    pub fn is_verified(&self) -> bool {
        !matches!(self.prover, Prover::Nothing)
    }

    /// Whether a header of this name holds what proves a request: a signature, or the secret itself.
    pub fn proves_by(&self, header: &str) -> bool {
        self.prover.reads(header)
    }

    /// Whether what it was given as secrets is none: public keys, or the id by which PayPal knows a webhook.
    pub fn has_public_secrets(&self) -> bool {
        self.prover.is_public()
    }

    /// Whether what proves a request is the secret itself.
    pub fn sends_secret(&self) -> bool {
        matches!(self.prover, Prover::Equality(_))
    }

    /// Whether its sender asks with a token whether the address is ours, so that it must be given one.
    pub fn asks_with_token(&self) -> bool {
        self.handshaker.asks_with_token()
    }

    /// With what a request would have fitted that was refused for [`Reason::Mismatch`].
    pub fn hint(&self, request: &Request<'_>) -> Option<Hint> {
        hint::find(&self.proving, &self.prover, &self.credentials, request)
    }

    /// Whether a request would have fitted with the secrets of another source.
    pub fn fits_secrets_of(&self, other: &Self, request: &Request<'_>) -> bool {
        let prover = Prover::new(&self.proving, &other.credentials);
        prover.is_ok_and(|prover| hint::fits(&prover, request))
    }

    /// The headers with which this request, sent now, is genuine: what it lacks, the event's id included. `None` if no
    /// header can do that: the signature stands in the body, or needs the sender's private key.
    pub fn sign(&self, request: &Request<'_>) -> Option<Vec<(String, String)>> {
        let id = self.identity.id_header();
        let id = id.filter(|name| request.headers(name).next().is_none());
        let id = id.map(|name| (name.to_owned(), sha256(request.body)));
        let mut added: Vec<_> = id.into_iter().collect();
        let headers = request.headers.iter().copied();
        let new = added
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.chain(new).collect();
        let signed = self.prover.sign(
            &Request {
                headers: &headers,
                ..*request
            },
            &self.credentials.secrets,
        )?;
        added.extend(signed);
        Some(added)
    }
}

/// It shows no secret.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("preset", &self.name)
            .field("secrets", &self.credentials.secrets.len())
            .field("answer", &self.answer.status)
            .finish_non_exhaustive()
    }
}

/// What an operator says, and otherwise what the preset says.
fn merged(settings: &Settings, preset: &Settings) -> Settings {
    let or = |one: &Option<String>, other: &Option<String>| one.clone().or_else(|| other.clone());
    Settings {
        preset: None,
        verify: None,
        id: or(&settings.id, &preset.id),
        kind: or(&settings.kind, &preset.kind),
        time: or(&settings.time, &preset.time),
        split: or(&settings.split, &preset.split),
        on_missing_id: settings.on_missing_id.or(preset.on_missing_id),
        answer: settings.answer.clone().or_else(|| preset.answer.clone()),
        fields: settings.fields.clone().or_else(|| preset.fields.clone()),
    }
}

/// Any other status than a success would make the sender repeat what is committed.
fn reply(answer: &Answer) -> Result<Reply, BuildError> {
    if !(200..300).contains(&answer.status) {
        let sentence = format!("{} is no success: it must be 200 to 299", answer.status);
        return Err(BuildError::setting("answer")(sentence));
    }
    Ok(Reply {
        status: answer.status,
        content_type: answer.content_type.clone(),
        body: answer.body.clone(),
    })
}
