//! What a sender says, what stands in a row, and what is sent for it.

use std::hash::{DefaultHasher, Hasher as _};

/// What stands in a row, and what a sender said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Content {
    /// What downstream knows it by: the built-in source's id, or that of another one after its name.
    pub(crate) key: String,
    pub(crate) said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    Payment(Payment),
    /// The bytes are known by their [`hash`].
    Event {
        kind: String,
        bytes: u64,
    },
}

/// The amount has four decimals, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Payment {
    pub(crate) source_account: String,
    pub(crate) destination_account: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
}

/// Tells bytes from others.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// What `source` calls `id`, as a key.
pub(crate) fn key(source: &str, id: &str) -> String {
    format!("{source}:{id}")
}

/// Which of the contents that are sent under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The one that belongs there.
    Original,
    /// Another one, which contradicts it.
    Other,
}

/// A request.
pub(crate) struct Sent {
    pub(crate) source: &'static str,
    pub(crate) body: String,
    /// The signature's header, if there is one.
    pub(crate) signature: Option<String>,
}

impl Payment {
    /// Amounts of every kind are among them: refunds, nothing, cents, and the largest.
    pub(super) fn new(number: u32, variant: Variant) -> Self {
        let whole: i64 = match number % 7 {
            0 => 0,
            1 => -i64::from(number) - 1,
            2 => 999_999_999_999_999 - i64::from(number),
            _ => i64::from(number) + 1,
        };
        let decimals = match variant {
            Variant::Original => number % 100,
            Variant::Other => 5000 + number % 100,
        };
        Self {
            source_account: format!("acc_user_{}", number % 97),
            destination_account: format!("acc_märchant_{}", number % 13),
            amount: format!("{whole}.{decimals:04}"),
            currency: ["INR", "EUR", "JPY"][number as usize % 3].to_owned(),
        }
    }

    pub(super) fn sent(&self, id: &str) -> Sent {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let body = format!(
            r#"{{"transaction_id":{},"source_account":{},"destination_account":{},"amount":{},"currency":{}}}"#,
            text(id),
            text(&self.source_account),
            text(&self.destination_account),
            self.amount,
            text(&self.currency),
        );
        Sent {
            source: "transactions",
            body,
            signature: None,
        }
    }
}
