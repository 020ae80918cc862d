//! What came in, as it came in: bytes, borrowed.

use std::borrow::Cow;

use time::OffsetDateTime;

use crate::verdict::Reason;

/// A request, and the time at which it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The address by which the sender knows the source, query included, byte for byte: some senders sign it. Behind a
    /// proxy it is not what the socket sees.
    pub url: &'a str,
    /// What stands after the first `?` of the target that arrived; empty if there is none.
    pub query: &'a str,
    /// In the order of arrival. Several may have one name, in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
    pub body: &'a [u8],
    pub now: OffsetDateTime,
}

impl<'a> Request<'a> {
    /// The values of all headers of this name; `x-signature-*` stands for every name that begins so.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let all = self.headers.iter();
        all.filter(move |(found, _)| is_named(found, name))
            .map(|(_, value)| *value)
    }

    /// The one value of a header. Twice the same header is read in two ways by two readers, so it is refused, as is what
    /// is not printable ASCII.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&'a str>, Reason> {
        let mut values = self.headers(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Reason::Malformed);
        }
        printable(value).map(Some)
    }
}

/// Whether a header has this name; `x-signature-*` stands for every name that begins so.
pub(crate) fn is_named(found: &str, name: &str) -> bool {
    let Some(start) = name.strip_suffix('*') else {
        return found.eq_ignore_ascii_case(name);
    };
    let head = found.as_bytes().get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

/// The value of a header as text, without white space around it.
pub(crate) fn printable(value: &[u8]) -> Result<&str, Reason> {
    let text = std::str::from_utf8(value).map_err(|_| Reason::Malformed)?;
    let is_printable = text
        .bytes()
        .all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
    is_printable
        .then_some(text.trim_ascii())
        .ok_or(Reason::Malformed)
}

/// The one value of `name` in a form, or a query. Twice the same name is refused, like a header.
pub(crate) fn form_value<'a>(form: &'a [u8], name: &str) -> Result<Option<Cow<'a, str>>, Reason> {
    let pairs = form_urlencoded::parse(form);
    let mut values = pairs.filter(|(found, _)| found == name);
    let value = values.next().map(|(_, value)| value);
    match values.next() {
        Some(_) => Err(Reason::Malformed),
        None => Ok(value),
    }
}

/// Fields of a form that are sorted: of any more, a few bytes would cost much work before anything is proven.
const FIELDS_MAX: usize = 1000;

/// The names and values of a form, one after the other: names in the order of their bytes, each with its distinct values in
/// order. Twilio's libraries sign it so.
pub(crate) fn sorted_form(form: &[u8]) -> Result<String, Reason> {
    let pairs = form_urlencoded::parse(form).take(FIELDS_MAX + 1);
    let mut pairs: Vec<_> = pairs.collect();
    if pairs.len() > FIELDS_MAX {
        return Err(Reason::Malformed);
    }
    pairs.sort();
    pairs.dedup();
    let pairs = pairs.iter().flat_map(|(name, value)| [name, value]);
    Ok(pairs.map(AsRef::as_ref).collect())
}

/// The address that the sender knows: the one that was made known to it, with the query of this request.
pub fn url(public: &str, query: &str) -> String {
    let address = public
        .split_once('?')
        .map_or(public, |(address, _)| address);
    if query.is_empty() {
        return address.to_owned();
    }
    format!("{address}?{query}")
}
