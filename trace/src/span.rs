//! A span, as whoever makes it sees it.

use std::{borrow::Cow, time::SystemTime};

use uuid::Uuid;

use crate::{Remote, SpanId};

/// What a span is to what causes it, and to what it causes. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request that somebody else makes.
    Server,
    /// A request that we make.
    Client,
    /// A message that we send.
    Producer,
    /// A message that we work on.
    Consumer,
}

/// What is known of a span under some name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(text: Cow<'static, str>) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// Something that has been done about a transaction, from its beginning to its end.
#[derive(Clone, Debug)]
pub struct Span {
    pub(crate) row: Uuid,
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) kind: Kind,
    pub(crate) name: Cow<'static, str>,
    pub(crate) began: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    pub(crate) link: Option<Remote>,
    pub(crate) has_failed: bool,
}

impl Span {
    /// The arrival of the webhook whose row this is: the span that all others of its trace are below.
    pub fn arrival(row: Uuid, name: impl Into<Cow<'static, str>>, began: SystemTime) -> Self {
        Self {
            id: SpanId::of_arrival(row),
            parent: None,
            ..Self::new(row, Kind::Server, name, began)
        }
    }

    /// Whatever else was done about a row. It ends now.
    pub fn new(
        row: Uuid,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        began: SystemTime,
    ) -> Self {
        Self {
            row,
            id: SpanId::random(),
            parent: Some(SpanId::of_arrival(row)),
            kind,
            name: name.into(),
            began,
            ended: SystemTime::now(),
            attributes: Vec::new(),
            link: None,
            has_failed: false,
        }
    }

    /// The same, with an id that somebody has been told.
    pub fn id(self, id: SpanId) -> Self {
        Self { id, ..self }
    }

    /// The same, below another one than the arrival.
    pub fn below(self, parent: SpanId) -> Self {
        Self {
            parent: Some(parent),
            ..self
        }
    }

    /// The same, which ended then.
    pub fn until(self, ended: SystemTime) -> Self {
        Self { ended, ..self }
    }

    /// The same, and this is known of it.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// The same, and all of this is known of it.
    pub fn with_all(mut self, attributes: &[(&'static str, Value)]) -> Self {
        self.attributes.extend_from_slice(attributes);
        self
    }

    /// The same, caused by somebody else's.
    pub fn linked(self, link: Option<Remote>) -> Self {
        Self { link, ..self }
    }

    /// The same, which has failed; `error` is one of few words.
    pub fn failed(self, error: impl Into<Value>) -> Self {
        Self {
            has_failed: true,
            ..self.with("error.type", error)
        }
    }
}
