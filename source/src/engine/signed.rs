//! A signature over parts of a request, as a [`Scheme`] says.

use std::borrow::Cow;

use crate::{
    build::BuildError,
    encoding::Encoding,
    engine::{
        key::{Key, which},
        proof::{Proof, any},
        template::{self, Part},
    },
    moment,
    place::{Place, Places, View},
    request::{Request, is_named, printable},
    scheme::{Scheme, Unit},
    secret::Secret,
    verdict::Reason,
};

/// Headers of one name whose signatures are looked at where each may sign something else, so that a request costs no more
/// hashing than so many times its length.
const VALUES_MAX: usize = 4;

pub(crate) struct Signed {
    pub(super) signature: Place,
    pub(super) separator: Option<char>,
    pub(super) prefix: String,
    pub(super) encoding: Encoding,
    pub(super) parts: Vec<Part>,
    pub(super) time: Option<Place>,
    pub(super) unit: Unit,
    tolerance: Option<u32>,
    id: Option<Places>,
    pub(super) keys: Vec<Key>,
}

impl Signed {
    pub(crate) fn new(scheme: &Scheme, secrets: &[Secret]) -> Result<Self, BuildError> {
        let fault = BuildError::setting;
        let keys = secrets.iter();
        let keys = keys.map(|secret| Key::new(scheme.algorithm, scheme.key, secret));
        let parts = template::parse(&scheme.signed).map_err(fault("signed"))?;
        if parts.contains(&Part::Time) && scheme.time.is_none() {
            return Err(fault("signed")(
                "has {time}, and no `time` says where that stands".into(),
            ));
        }
        let time = scheme.time.as_deref().map(Place::parse).transpose();
        let time = time.map_err(fault("time"))?;
        let signed_time = |time: &Place| {
            parts.iter().any(|part| match part {
                Part::Place(place) => place == time,
                part => *part == Part::Time,
            })
        };
        if time.as_ref().is_some_and(|time| !signed_time(time)) {
            return Err(fault("time")(
                "is not signed: `signed` must have {time}, or anybody could change it".into(),
            ));
        }
        if scheme.signature.trim().is_empty() {
            return Err(fault("header")("is empty".into()));
        }
        let signature = match scheme.signature.as_str() {
            place if place.contains(':') => Place::parse(place).map_err(fault("header"))?,
            header => Place::Header(header.to_owned()),
        };
        Ok(Self {
            signature,
            separator: scheme.separator,
            prefix: scheme.prefix.clone(),
            encoding: scheme.encoding,
            parts,
            time,
            unit: scheme.unit,
            tolerance: scheme.tolerance,
            id: (scheme.id.as_deref().map(Places::parse).transpose()).map_err(fault("id"))?,
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// `None`: there is no signature of this kind.
    pub(crate) fn prove<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> Option<Result<Proof<'a>, Reason>> {
        let proof = match &self.signature {
            Place::Header(name) => self.prove_header(request, name),
            place => self.prove_place(request, place),
        };
        proof.transpose()
    }

    fn prove_header<'a>(
        &'a self,
        request: &'a Request<'a>,
        name: &str,
    ) -> Result<Option<Proof<'a>>, Reason> {
        let values: Vec<_> = request
            .headers(name)
            .map(printable)
            .collect::<Result<_, _>>()?;
        let values = values.into_iter();
        let items: Vec<Vec<&str>> = values.map(|value| self.items(value)).collect();
        if !items
            .iter()
            .flatten()
            .any(|item| self.signature(item).is_some())
        {
            return Ok(None);
        }
        if !self.reads_items() {
            return self.prove_items(request, items.concat()).map(Some);
        }
        if items.len() > VALUES_MAX {
            return Err(Reason::Malformed);
        }
        let values = items.into_iter();
        any(values.map(|items| self.prove_items(request, items))).map(Some)
    }

    fn prove_place<'a>(
        &'a self,
        request: &'a Request<'a>,
        place: &Place,
    ) -> Result<Option<Proof<'a>>, Reason> {
        let view = View {
            request,
            content: request.body,
            items: &[],
        };
        let Some(text) = view.text(place)? else {
            return Ok(None);
        };
        let Some(signature) = self.signature(&text) else {
            return Ok(None);
        };
        let signature = self.encoding.decode(signature.as_bytes());
        let signatures: Vec<_> = signature.into_iter().collect();
        self.prove_signatures(request, Vec::new(), &signatures)
            .map(Some)
    }

    /// Whether the request's address is signed.
    pub(crate) fn signs_url(&self) -> bool {
        self.parts.contains(&Part::Url)
    }

    /// Whether it stands in a header of this name.
    pub(crate) fn reads(&self, header: &str) -> bool {
        match &self.signature {
            Place::Header(name) => is_named(header, name),
            _ => false,
        }
    }

    /// Whether its keys are those of a sender who signs with a private one.
    pub(crate) fn has_public_keys(&self) -> bool {
        self.keys.iter().all(Key::is_public)
    }

    /// Whether the header in which it stands is there, with or without a signature of this kind.
    pub(crate) fn is_named(&self, request: &Request<'_>) -> bool {
        match &self.signature {
            Place::Header(name) => request.headers(name).next().is_some(),
            _ => false,
        }
    }

    fn items<'a>(&self, value: &'a str) -> Vec<&'a str> {
        let Some(separator) = self.separator else {
            return vec![value];
        };
        let items = value.split(separator).map(str::trim_ascii);
        items.filter(|item| !item.is_empty()).collect()
    }

    /// The text of a signature, if the item is one of this kind.
    fn signature<'a>(&self, item: &'a str) -> Option<&'a str> {
        let signature = item.strip_prefix(self.prefix.as_str())?.trim_ascii();
        (!signature.is_empty()).then_some(signature)
    }

    fn reads_items(&self) -> bool {
        let parts = self.parts.iter().any(Part::is_of_the_signature);
        parts || matches!(self.time, Some(Place::Item(_)))
    }

    fn prove_items<'a>(
        &'a self,
        request: &'a Request<'a>,
        items: Vec<&'a str>,
    ) -> Result<Proof<'a>, Reason> {
        let signatures = items.iter().filter_map(|item| self.signature(item));
        let signatures = signatures.filter_map(|text| self.encoding.decode(text.as_bytes()));
        let signatures: Vec<_> = signatures.collect();
        self.prove_signatures(request, items, &signatures)
    }

    fn prove_signatures<'a>(
        &'a self,
        request: &'a Request<'a>,
        items: Vec<&'a str>,
        signatures: &[Vec<u8>],
    ) -> Result<Proof<'a>, Reason> {
        if signatures.is_empty() {
            return Err(Reason::Malformed);
        }
        let view = View {
            request,
            content: request.body,
            items: &items,
        };
        let text = self.time_text(&view)?;
        let time = match text.as_deref() {
            Some(text) => Some(moment::signed(text, self.unit).ok_or(Reason::Malformed)?),
            None => None,
        };
        let message = template::fill(&self.parts, &view, text.as_deref())?;
        let secret = which(&self.keys, &message, signatures).ok_or(Reason::Mismatch)?;
        if let (Some(time), Some(tolerance)) = (time, self.tolerance) {
            moment::check(time, tolerance, request.now)?;
        }
        Ok(Proof {
            secret,
            items,
            time,
            id: self.id.as_ref(),
        })
    }

    fn time_text<'a>(&self, view: &View<'a>) -> Result<Option<Cow<'a, str>>, Reason> {
        let Some(place) = &self.time else {
            return Ok(None);
        };
        // A list without its time cannot be read; a header that is not there is missing.
        let missing = match place {
            Place::Item(_) => Reason::Malformed,
            _ => Reason::MissingHeader,
        };
        view.text(place)?.map(Some).ok_or(missing)
    }
}
