//! A batch of webhooks as rows that a statement can read.

use std::borrow::Cow;

use sea_orm::{DatabaseConnection, DbBackend, Value};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Webhook, sql};

/// One column of a batch.
pub(super) struct Column {
    name: &'static str,
    value: fn(&Webhook) -> Text<'_>,
    /// What PostgreSQL makes of the text.
    postgres: &'static str,
}

type Text<'a> = Option<Cow<'a, str>>;

impl Column {
    const fn text(name: &'static str, value: fn(&Webhook) -> Text<'_>) -> Self {
        Self {
            name,
            value,
            postgres: "text",
        }
    }
}

/// What `transactions` and `conflicts` hold of a webhook. The first two are there in each; of the others only those are
/// handed over that one of the batch has.
pub(super) const CONTENT: &[Column] = &[
    Column::text("source", |w| Some(w.source.as_ref().into())),
    Column::text("transaction_id", |w| Some(w.transaction_id.as_ref().into())),
    Column::text("type", |w| w.kind().map(Cow::from)),
    Column::text("source_account", |w| w.source_account().map(Cow::from)),
    Column::text("destination_account", |w| {
        w.destination_account().map(Cow::from)
    }),
    Column {
        name: "amount",
        value: |w| w.amount().map(|amount| amount.to_string().into()),
        postgres: "numeric",
    },
    Column::text("currency", |w| w.currency().map(Cow::from)),
    Column::text("extra", |w| w.extra().map(Cow::from)),
];

/// What `payloads` holds beside the body.
const PAYLOAD: &[Column] = &[
    Column::text("content_type", |w| {
        w.payload()?.content_type.as_deref().map(Cow::from)
    }),
    Column::text("headers", |w| {
        w.payload()?.headers.as_deref().map(Cow::from)
    }),
    Column {
        name: "sent_at",
        value: |w| Some(w.payload()?.sent_at?.format(&Rfc3339).ok()?.into()),
        postgres: "timestamptz",
    },
];

/// Webhooks, each with the id of the row that it is to become.
pub(super) struct Rows<'a> {
    rows: Vec<(Uuid, &'a Webhook)>,
    content: Vec<&'static Column>,
    /// `None` if none of them has a payload.
    payload: Option<Vec<&'static Column>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(rows: Vec<(Uuid, &'a Webhook)>) -> Self {
        let is_there = |column: &&Column| rows.iter().any(|(_, w)| (column.value)(w).is_some());
        let content = CONTENT.iter().filter(is_there).collect();
        let has_payloads = rows.iter().any(|(_, w)| w.payload().is_some());
        let payload = has_payloads.then(|| PAYLOAD.iter().filter(is_there).collect());
        Self {
            content,
            payload,
            rows,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn has_payloads(&self) -> bool {
        self.payload.is_some()
    }

    /// The names of the columns that `transactions` takes, `id` first.
    pub(super) fn content(&self) -> String {
        names("id", &self.content)
    }

    /// The names of the columns that `payloads` takes, `id` first, if any of them has a payload.
    pub(super) fn payload(&self) -> Option<String> {
        Some(names("id, body", self.payload.as_ref()?))
    }

    /// The names of the columns that [`select`](Self::select) has, in their order.
    pub(super) fn all(&self) -> String {
        let names = names("id, fingerprint", &self.columns().collect::<Vec<_>>());
        match self.has_payloads() {
            true => names + ", body",
            false => names,
        }
    }

    /// The names of all columns that there are.
    pub(super) fn columns_of_all() -> String {
        let columns: Vec<&Column> = CONTENT.iter().chain(PAYLOAD).collect();
        names("id, fingerprint, body", &columns)
    }

    /// A query for all of them over `$1 …`: `id`, `fingerprint`, the columns of [`content`](Self::content), and those of
    /// [`payload`](Self::payload) if there are any; and what to bind. The first parameter on SQLite is the batch.
    pub(super) fn select(&self, db: &DatabaseConnection) -> (String, Vec<Value>) {
        match db.get_database_backend() {
            DbBackend::Postgres => self.select_postgres(db),
            _ => self.select_sqlite(),
        }
    }

    fn columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.content
            .iter()
            .chain(self.payload.iter().flatten())
            .copied()
    }

    /// What is missing is an empty text in the array, for an array of texts with gaps cannot be bound. None of these texts is
    /// ever empty.
    fn select_postgres(&self, db: &DatabaseConnection) -> (String, Vec<Value>) {
        let ids = self.rows.iter().map(|(id, _)| id);
        let fingerprints = self.rows.iter().map(|(_, webhook)| webhook.fingerprint());
        let mut values = vec![sql::ids(db, ids), sql::ids(db, fingerprints)];
        let mut arrays = "$1::uuid[], $2::uuid[]".to_owned();
        let (mut names, mut read) = ("id, fingerprint".to_owned(), "id, fingerprint".to_owned());
        for Column {
            name,
            value,
            postgres,
        } in self.columns()
        {
            let texts = self.rows.iter();
            let texts = texts.map(|(_, w)| value(w).unwrap_or_default().into_owned());
            values.push(texts.collect::<Vec<String>>().into());
            arrays += &format!(", ${}::text[]", values.len());
            names += &format!(", {name}");
            read += &format!(", nullif({name}, '')::{postgres} AS {name}");
        }
        if self.has_payloads() {
            let bodies = self.rows.iter().map(|(_, webhook)| body(webhook).to_vec());
            values.push(bodies.collect::<Vec<Vec<u8>>>().into());
            arrays += &format!(", ${}::bytea[]", values.len());
            names += ", body";
            read += ", body";
        }
        let select = format!("SELECT {read} FROM unnest({arrays}) AS batch ({names})");
        (select, values)
    }

    fn select_sqlite(&self) -> (String, Vec<Value>) {
        let has_payloads = self.has_payloads();
        let rows = self.rows.iter().map(|(id, webhook)| {
            let id = id.simple().to_string();
            let fingerprint = webhook.fingerprint().simple().to_string();
            let mut row: Vec<serde_json::Value> = vec![id.into(), fingerprint.into()];
            row.extend(self.columns().map(|column| (column.value)(webhook).into()));
            if has_payloads {
                row.push(sql::hex(body(webhook)).into());
            }
            serde_json::Value::from(row)
        });
        let batch = sql::json(rows);
        let mut read = "unhex(value ->> 0) AS id, unhex(value ->> 1) AS fingerprint".to_owned();
        for (index, column) in self.columns().enumerate() {
            read += &format!(", value ->> {} AS {}", index + 2, column.name);
        }
        if has_payloads {
            read += &format!(", unhex(value ->> {}) AS body", self.columns().count() + 2);
        }
        // `WHERE true` keeps SQLite from reading ON CONFLICT as part of a join.
        (
            format!("SELECT {read} FROM json_each($1) WHERE true"),
            vec![batch],
        )
    }
}

fn names(first: &str, columns: &[&Column]) -> String {
    let names = columns.iter().map(|column| column.name);
    std::iter::once(first)
        .chain(names)
        .collect::<Vec<_>>()
        .join(", ")
}

fn body(webhook: &Webhook) -> &[u8] {
    webhook.payload().map_or(&[], |payload| &payload.body)
}
