//! Which events a proven request brings.

use std::borrow::Cow;

use crate::{
    build::BuildError,
    engine::proof::Proof,
    fields::{FieldPlaces, storable},
    json, moment,
    place::{Places, View, pointer, sha256},
    request::Request,
    settings::{MissingId, Settings},
    verdict::{Event, Reason},
};

/// Items of a batch: each is a row in the same commit.
pub(crate) const ITEMS_MAX: usize = 1000;

/// Where an event's id, type and time stand, and how a batch is split.
pub(crate) struct Identity {
    id: Option<Places>,
    /// Whether a scheme that has a place of its own for the id is followed instead.
    is_schemes: bool,
    on_missing_id: MissingId,
    kind: Option<Places>,
    time: Option<Places>,
    split: Option<Vec<String>>,
    fields: FieldPlaces,
}

impl Identity {
    /// `is_schemes`: nobody has said where the id stands but the preset.
    pub(crate) fn new(settings: &Settings, is_schemes: bool) -> Result<Self, BuildError> {
        let places = |text: &Option<String>, member| {
            let places = text.as_deref().map(Places::parse).transpose();
            places.map_err(BuildError::setting(member))
        };
        let on_missing_id = settings.on_missing_id.unwrap_or_default();
        let id = places(&settings.id, "id")?;
        if id.is_none() && on_missing_id == MissingId::Reject {
            let sentence = "nothing says where it stands, nor what a missing one means";
            return Err(BuildError::setting("id")(sentence.into()));
        }
        let split = settings.split.as_deref().map(pointer).transpose();
        let fields = settings.fields.as_ref().map(FieldPlaces::new);
        Ok(Self {
            id,
            is_schemes,
            on_missing_id,
            kind: places(&settings.kind, "type")?,
            time: places(&settings.time, "time")?,
            split: split.map_err(BuildError::setting("split"))?,
            fields: fields.transpose()?.unwrap_or_default(),
        })
    }

    /// All events, or none if one of them cannot be told from others.
    pub(crate) fn events<'a>(
        &self,
        request: &Request<'a>,
        proof: &Proof<'_>,
    ) -> Result<Vec<Event<'a>>, Reason> {
        let body: &'a [u8] = request.body;
        let Some(split) = &self.split else {
            return Ok(vec![self.event(request, proof, body)?]);
        };
        let items = json::find(body, split).and_then(|array| json::items(array, ITEMS_MAX));
        let items = items.ok_or(Reason::Unreadable)?;
        let events = items.into_iter();
        events
            .map(|item| self.event(request, proof, item.as_bytes()))
            .collect()
    }

    /// The header in which the id stands, if that is where it is looked for first.
    pub(crate) fn id_header(&self) -> Option<&str> {
        self.id.as_ref()?.first_header()
    }

    fn event<'a>(
        &self,
        request: &Request<'a>,
        proof: &Proof<'_>,
        content: &'a [u8],
    ) -> Result<Event<'a>, Reason> {
        let view = View {
            request,
            content,
            items: &proof.items,
        };
        let find = |places: Option<&Places>| match places {
            Some(places) => places.find(&view),
            None => Ok(None),
        };
        let places = proof.id.filter(|_| self.is_schemes).or(self.id.as_ref());
        let id = match (find(places)?, self.on_missing_id) {
            (Some(parts), _) => Some(join(&parts)),
            (None, MissingId::Reject) => return Err(Reason::Unreadable),
            (None, MissingId::Hash) => Some(sha256(content)),
            (None, MissingId::Unique) => None,
        };
        let time = find(self.time.as_ref()).ok().flatten();
        let time = time.and_then(|parts| moment::told(&parts.concat()));
        let kind = find(self.kind.as_ref()).ok().flatten();
        Ok(Event {
            id,
            kind: kind.and_then(|parts| storable(parts.join("."))),
            time: time.or(proof.time),
            content,
            fields: self.fields.read(&view),
        })
    }
}

/// One id of its parts. A colon in any part but the last is written otherwise, or ("a:b", "c") would be ("a", "b:c"). What
/// no database holds as text is known by its hash.
fn join(parts: &[Cow<'_, str>]) -> String {
    let Some((last, rest)) = parts.split_last() else {
        return String::new();
    };
    let mut id = String::new();
    for part in rest {
        id.push_str(&part.replace('%', "%25").replace(':', "%3A"));
        id.push(':');
    }
    id.push_str(last);
    storable(id.clone()).unwrap_or_else(|| sha256(id.as_bytes()))
}
