//! The signed bytes, from parts of a request.

use std::borrow::Cow;

use crate::{
    place::{Place, View},
    request::sorted_form,
    verdict::Reason,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Body,
    Url,
    Method,
    /// The signed time, as it was sent: a number that is written anew may be another text.
    Time,
    SortedForm,
    /// The values of the headers that item `h` lists, with dots between.
    ListedHeaders,
    Place(Place),
}

/// Reads `{header:X-Id}.{body}`.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("`{text}` has a {{ without its }}"));
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        parts.push(match name {
            "body" => Part::Body,
            "url" => Part::Url,
            "method" => Part::Method,
            "time" => Part::Time,
            "form" => Part::SortedForm,
            "headers" => Part::ListedHeaders,
            _ => Part::Place(Place::parse(name)?),
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    if parts.is_empty() {
        return Err("it must say what is signed".to_owned());
    }
    Ok(parts)
}

impl Part {
    /// Whether it is read from the value in which the signature stands.
    pub(crate) fn is_of_the_signature(&self) -> bool {
        matches!(
            self,
            Self::ListedHeaders | Self::Place(Place::Item(_) | Place::Listed(_))
        )
    }
}

/// The signed bytes, in pieces. What is not there cannot have been signed.
pub(crate) fn fill<'a>(
    parts: &'a [Part],
    view: &View<'a>,
    time: Option<&'a str>,
) -> Result<Vec<Cow<'a, [u8]>>, Reason> {
    let request = view.request;
    let text = |text: Cow<'a, str>| match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    let bytes = parts.iter().map(|part| match part {
        Part::Literal(literal) => Ok(Cow::Borrowed(literal.as_bytes())),
        Part::Body => Ok(Cow::Borrowed(request.body)),
        Part::Url => Ok(Cow::Borrowed(request.url.as_bytes())),
        Part::Method => Ok(Cow::Borrowed(request.method.as_bytes())),
        Part::Time => time
            .map(|time| Cow::Borrowed(time.as_bytes()))
            .ok_or(Reason::MissingHeader),
        Part::SortedForm => Ok(Cow::Owned(sorted_form(request.body)?.into_bytes())),
        Part::ListedHeaders => listed_headers(view).map(Cow::Owned),
        Part::Place(place) => view.text(place)?.map(text).ok_or(Reason::MissingHeader),
    });
    bytes.collect()
}

fn listed_headers(view: &View<'_>) -> Result<Vec<u8>, Reason> {
    let values = view.listed()?.map(|name| {
        let value = view.request.header(name)?;
        value.ok_or(Reason::MissingHeader)
    });
    let values: Vec<_> = values.collect::<Result<_, _>>()?;
    Ok(values.join(".").into_bytes())
}
