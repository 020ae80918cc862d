//! What one request brings, and what it is answered: one webhook, or several that are committed together.

use entity::{Content, Webhook, lifecycle::Received};

/// At least one. Most requests bring one, and take no memory for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group<T> {
    pub(crate) first: T,
    pub(crate) rest: Vec<T>,
}

impl<T> Group<T> {
    pub(crate) fn one(first: T) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }

    /// `None` if there are none.
    pub(crate) fn of(items: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut items = items.into_iter();
        let first = items.next()?;
        Some(Self {
            first,
            rest: items.collect(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        1 + self.rest.len()
    }

    pub(super) fn map<U>(self, mut change: impl FnMut(T) -> U) -> Group<U> {
        Group {
            first: change(self.first),
            rest: self.rest.into_iter().map(change).collect(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    pub(super) fn put_into(self, list: &mut Vec<T>) {
        list.push(self.first);
        list.extend(self.rest);
    }
}

impl<T, E> Group<Result<T, E>> {
    /// What each is, if none is an error.
    pub(super) fn all(self) -> Result<Group<T>, E> {
        Ok(Group {
            first: self.first?,
            rest: self.rest.into_iter().collect::<Result<_, _>>()?,
        })
    }
}

impl Group<Received> {
    /// About how much memory it takes, and a statement, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.iter().map(|received| bytes(&received.webhook)).sum()
    }
}

fn bytes(webhook: &Webhook) -> usize {
    let length = |text: Option<&str>| text.map_or(0, str::len);
    let held = match &webhook.content {
        Content::Payment(payment) => length(payment.extra.as_deref()),
        Content::Event(event) => {
            let payload = &event.payload;
            let texts =
                length(payload.headers.as_deref()) + length(payload.content_type.as_deref());
            payload.body.len() + texts + length(webhook.kind())
        }
    };
    let accounts = length(webhook.source_account()) + length(webhook.destination_account());
    size_of::<Received>() + webhook.transaction_id.as_ref().len() + accounts + held
}
