//! Where something stands in a request: `json:/data/id`, `header:X-Id`; and what stands there.

use std::borrow::Cow;

use ring::digest;

use crate::{
    json,
    request::{Request, form_value},
    verdict::Reason,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `json:/a/0/b`: a JSON pointer into the body, or into the item of a batch.
    Json(Vec<String>),
    /// `header:NAME`.
    Header(String),
    /// `listed:NAME`: a header, if item `h` of the signature says that it is signed.
    Listed(String),
    /// `form:NAME`, in a body that is a form.
    Form(String),
    /// `query:NAME`.
    Query(String),
    /// `item:NAME`: of the items of the signature's header, the one that begins with `NAME=`; `item:0` is the first.
    Item(String),
    /// `hash`: of the content, SHA-256, in hex.
    Hash,
}

impl Place {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "hash" {
            return Ok(Self::Hash);
        }
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        if kind == "json" {
            return pointer(name).map(Self::Json);
        }
        if name.is_empty() {
            return Err(format!(
                "`{text}` is no place: it must be like json:/data/id, header:X-Id, form:id, query:id or hash"
            ));
        }
        let name = name.to_owned();
        match kind {
            "header" => Ok(Self::Header(name)),
            "listed" => Ok(Self::Listed(name)),
            "form" => Ok(Self::Form(name)),
            "query" => Ok(Self::Query(name)),
            "item" => Ok(Self::Item(name)),
            _ => Err(format!(
                "`{text}` is no place: `{kind}` is none of json, header, form, query"
            )),
        }
    }
}

/// The steps of a JSON pointer (RFC 6901).
pub(crate) fn pointer(text: &str) -> Result<Vec<String>, String> {
    let mut steps = text.split('/');
    if steps.next() != Some("") {
        return Err(format!("`{text}` is no JSON pointer: it must begin with /"));
    }
    let steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
    Ok(steps.collect())
}

/// Places whose values together say something, and what to look for if one of them is missing:
/// `json:/event + json:/data/id | header:X-Id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places(Vec<Vec<Place>>);

impl Places {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let alternatives = text.split(" | ").map(|places| {
            let places = places.split(" + ").map(Place::parse);
            places.collect()
        });
        Ok(Self(alternatives.collect::<Result<_, _>>()?))
    }

    /// The first alternative of which nothing is missing. A blank value is none: taken for an id it would swallow every
    /// later event.
    pub(crate) fn find<'a>(&self, view: &View<'a>) -> Result<Option<Vec<Cow<'a, str>>>, Reason> {
        for places in &self.0 {
            let texts: Vec<_> = places
                .iter()
                .map(|place| view.text(place))
                .collect::<Result<_, _>>()?;
            let texts: Option<Vec<_>> = texts.into_iter().collect();
            if let Some(texts) = texts.filter(|texts| !texts.iter().any(|text| is_blank(text))) {
                return Ok(Some(texts));
            }
        }
        Ok(None)
    }

    /// The header that is looked for first, if it is one alone.
    pub(crate) fn first_header(&self) -> Option<&str> {
        match self.0.first().map(Vec::as_slice) {
            Some([Place::Header(name) | Place::Listed(name)]) => Some(name),
            _ => None,
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control())
}

/// A request as places are looked up in it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) request: &'a Request<'a>,
    /// The body, or an item of it.
    pub(crate) content: &'a [u8],
    /// The items of the signature's header.
    pub(crate) items: &'a [&'a str],
}

impl<'a> View<'a> {
    pub(crate) fn text(&self, place: &Place) -> Result<Option<Cow<'a, str>>, Reason> {
        match place {
            Place::Json(path) => Ok(json::find(self.content, path).and_then(json::scalar)),
            Place::Header(name) => Ok(self.request.header(name)?.map(Cow::Borrowed)),
            Place::Listed(name) => {
                let is_listed = self
                    .listed()?
                    .any(|listed| listed.eq_ignore_ascii_case(name));
                let value = is_listed.then(|| self.request.header(name)).transpose()?;
                Ok(value.flatten().map(Cow::Borrowed))
            }
            Place::Form(name) => form_value(self.content, name),
            Place::Query(name) => form_value(self.request.query.as_bytes(), name),
            Place::Item(name) => Ok(self.item(name)?.map(Cow::Borrowed)),
            Place::Hash => Ok(Some(Cow::Owned(sha256(self.content)))),
        }
    }

    /// The item of this name. Twice the same name can be read in two ways.
    pub(crate) fn item(&self, name: &str) -> Result<Option<&'a str>, Reason> {
        if let Ok(index) = name.parse::<usize>() {
            return Ok(self.items.get(index).copied());
        }
        let named = self.items.iter();
        let mut named = named.filter_map(|item| item.strip_prefix(name)?.strip_prefix('='));
        let item = named.next();
        match named.next() {
            Some(_) => Err(Reason::Malformed),
            None => Ok(item.map(str::trim_ascii)),
        }
    }

    /// The names of the headers that item `h` says are signed.
    pub(crate) fn listed(&self) -> Result<impl Iterator<Item = &'a str>, Reason> {
        let names = self.item("h")?.unwrap_or_default();
        Ok(names.split_ascii_whitespace())
    }
}

/// In hex.
pub(crate) fn sha256(content: &[u8]) -> String {
    crate::encoding::hex(digest::digest(&digest::SHA256, content).as_ref())
}
