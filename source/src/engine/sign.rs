//! The headers that make a request genuine: the sender's half of a [`Scheme`](crate::Scheme).

use crate::{
    engine::template::Part,
    engine::{signed::Signed, template},
    moment,
    place::{Place, View, sha256},
    request::Request,
};

/// Headers, by name.
type Headers = Vec<(String, String)>;

impl Signed {
    /// What the request lacks, signed with the first key. `None` if the signature does not stand in a header, or the key is
    /// a public one.
    pub(crate) fn sign(&self, request: &Request<'_>) -> Option<Headers> {
        let Place::Header(name) = &self.signature else {
            return None;
        };
        let time = moment::write(request.now, self.unit);
        let mut added = self.missing(request, &time);
        let given = request.headers.iter().copied();
        let new = added
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = given.chain(new).collect();
        let request = &Request {
            headers: &headers,
            ..*request
        };
        let mut items = self.own_items(request, &time);
        let texts: Vec<_> = items.iter().map(String::as_str).collect();
        let view = View {
            request,
            content: request.body,
            items: &texts,
        };
        let time = match &self.time {
            Some(place) => view.text(place).ok()?,
            None => None,
        };
        let message = template::fill(&self.parts, &view, time.as_deref()).ok()?;
        let signature = self.encoding.encode(&self.keys.first()?.sign(&message)?);
        items.push(format!("{}{signature}", self.prefix));
        let separator = self.separator.map(String::from).unwrap_or_default();
        added.push((name.replace('*', "1"), items.join(&separator)));
        Some(added)
    }

    /// The headers that are signed and not there: the time, and ids, which are made of the body.
    fn missing(&self, request: &Request<'_>, time: &str) -> Headers {
        let signed = self.parts.iter().filter_map(|part| match part {
            Part::Place(Place::Header(name)) => Some((name, sha256(request.body))),
            _ => None,
        });
        let time = match &self.time {
            Some(Place::Header(name)) => Some((name, time.to_owned())),
            _ => None,
        };
        let mut missing = Headers::new();
        for (name, value) in time.into_iter().chain(signed) {
            let is_named = |(other, _): &(String, String)| other.eq_ignore_ascii_case(name);
            if request.headers(name).next().is_none() && !missing.iter().any(is_named) {
                missing.push((name.clone(), value));
            }
        }
        missing
    }

    /// The items of the signature's header besides the signature: the time, and the list of the headers that are signed.
    fn own_items(&self, request: &Request<'_>, time: &str) -> Vec<String> {
        let mut items = Vec::new();
        match &self.time {
            Some(Place::Item(name)) if name.parse::<usize>().is_ok() => items.push(time.to_owned()),
            Some(Place::Item(name)) => items.push(format!("{name}={time}")),
            _ => {}
        }
        if self.parts.contains(&Part::ListedHeaders) {
            let names = request
                .headers
                .iter()
                .map(|(name, _)| name.to_ascii_lowercase());
            let names: Vec<_> = names.collect();
            items.push(format!("h={}", names.join(" ")));
        }
        items
    }
}
