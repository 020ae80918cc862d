//! What is sent: a content that follows from the run and a number, so that the check can tell it again.

use serde::Serialize;

/// What stands in a row, and what a sender said. The amount has four decimals, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Content {
    pub(super) transaction_id: String,
    pub(super) source_account: String,
    pub(super) destination_account: String,
    pub(super) amount: String,
    pub(super) currency: String,
}

/// Which of the contents that are sent under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The one that belongs there.
    Original,
    /// Another one, which contradicts it.
    Other,
}

/// The webhooks of one run.
#[derive(Clone, Debug)]
pub(super) struct Webhooks {
    /// Sets the run's ids apart from those of all other runs.
    pub(super) run: String,
}

impl Webhooks {
    /// The id of webhook `number`.
    pub(super) fn id(&self, number: u32) -> String {
        format!("{}-{number}", self.run)
    }

    /// The number behind an id of this run.
    pub(super) fn number(&self, id: &str) -> Option<u32> {
        id.strip_prefix(&self.run)?.strip_prefix('-')?.parse().ok()
    }

    /// The content of webhook `number`. Amounts of every kind are among them: refunds, nothing, cents, and the largest.
    pub(super) fn content(&self, number: u32, variant: Variant) -> Content {
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
        Content {
            transaction_id: self.id(number),
            source_account: format!("acc_user_{}", number % 97),
            destination_account: format!("acc_märchant_{}", number % 13),
            amount: format!("{whole}.{decimals:04}"),
            currency: ["INR", "EUR", "JPY"][number as usize % 3].to_owned(),
        }
    }

    /// A body that must be refused, and must not harm those that are committed beside it.
    pub(super) fn poison(&self, number: u32) -> String {
        let id = format!("{}-poison-{number}", self.run);
        let mut content = self.content(number, Variant::Original);
        content.transaction_id = id;
        match number % 6 {
            0 => content.transaction_id += "\0",
            1 => content.amount = "1e40".to_owned(),
            2 => content.source_account = "x".repeat(256),
            3 => content.currency = "inr".to_owned(),
            4 => content.destination_account = "x".repeat(100_000),
            _ => return content.body().replace("acc_user", "acc_\\ud800"),
        }
        content.body()
    }
}

impl Content {
    /// The request's body.
    pub(super) fn body(&self) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            r#"{{"transaction_id":{},"source_account":{},"destination_account":{},"amount":{},"currency":{}}}"#,
            text(&self.transaction_id),
            text(&self.source_account),
            text(&self.destination_account),
            self.amount,
            text(&self.currency),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Variant, Webhooks};

    #[test]
    fn a_number_comes_back_from_its_id_and_from_no_other() {
        let webhooks = Webhooks { run: "a-1".into() };
        assert_eq!(webhooks.number(&webhooks.id(17)), Some(17));
        for stranger in ["a-2-17", "a-1-poison-17", "a-117", ""] {
            assert_eq!(webhooks.number(stranger), None);
        }
    }

    #[test]
    fn the_variants_of_a_webhook_contradict_each_other_under_one_id() {
        let webhooks = Webhooks { run: "a".into() };
        for number in 0..1000 {
            let one = webhooks.content(number, Variant::Original);
            let other = webhooks.content(number, Variant::Other);
            assert_eq!(one.transaction_id, other.transaction_id);
            assert_ne!(one, other);
            let _: serde_json::Value = serde_json::from_str(&one.body()).unwrap();
        }
    }
}
