//! The webhooks: ids that differ, and nothing else.

use clap::ValueEnum;

use crate::stripe::{self, Signer};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sender {
    /// The built-in source's.
    #[value(skip)]
    Transactions,
    /// Stripe, which signs what it sends: 1 kB each
    Stripe,
    /// Somebody who sends like Stripe, and does not know its secret.
    #[value(skip)]
    Forger,
}

impl Sender {
    /// The source's name.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Stripe | Self::Forger => stripe::SOURCE,
        }
    }

    /// The status that it is to be answered with.
    pub(crate) fn accepted(self) -> u16 {
        match self {
            Self::Transactions => 202,
            Self::Stripe => 200,
            Self::Forger => 401,
        }
    }
}

/// Which ids the webhooks of a run carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    seed: u64,
    distinct: u64,
}

impl Ids {
    /// Every webhook its own id, and none that an earlier run has used.
    pub(crate) fn unique() -> Self {
        Self::repeating(u64::MAX)
    }

    /// `distinct` ids, over and over.
    pub(crate) fn repeating(distinct: u64) -> Self {
        Self {
            seed: rand::random(),
            distinct,
        }
    }

    /// The id of webhook `number`: scattered like the ids of real senders, so that the index over them gets no help from
    /// their order. Different numbers have different products with an odd number.
    pub(crate) fn text(&self, number: u64) -> String {
        let number = self.seed.wrapping_add(number % self.distinct);
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("txn_{scattered:016x}")
    }
}

/// Makes the requests of one sender.
pub(super) struct Requests {
    sender: Sender,
    signer: Signer,
}

impl Requests {
    pub(super) fn new(sender: Sender) -> Self {
        Self {
            sender,
            signer: Signer::new(match sender {
                Sender::Forger => "whsec_of_nobody",
                Sender::Transactions | Sender::Stripe => stripe::SECRET,
            }),
        }
    }

    /// Head and body of the request with this id. It is signed as it leaves, which costs a microsecond or two: a part of what
    /// everything else about a request costs.
    pub(super) fn request(&self, id: &str) -> [String; 2] {
        let body = match self.sender {
            Sender::Transactions => format!(
                r#"{{"transaction_id":"{id}","source_account":"acc_user_1","destination_account":"acc_merchant_1","amount":1500,"currency":"INR"}}"#
            ),
            Sender::Stripe | Sender::Forger => stripe::event(id, "charge.succeeded"),
        };
        let signed = match self.sender {
            Sender::Transactions => String::new(),
            Sender::Stripe | Sender::Forger => {
                format!("{}: {}\r\n", stripe::SIGNATURE, self.signer.sign(&body))
            }
        };
        let head = format!(
            "POST /v1/webhooks/{} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{signed}\
             content-length: {}\r\n\r\n",
            self.sender.source(),
            body.len()
        );
        [head, body]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Ids, Requests, Sender};
    use crate::stripe;

    #[test]
    fn unique_ids_differ_and_repeating_ones_come_again() {
        let count = |ids: Ids| {
            let all: BTreeSet<String> = (0..1000).map(|number| ids.text(number)).collect();
            all.len()
        };
        assert_eq!(count(Ids::unique()), 1000);
        assert_eq!(count(Ids::repeating(10)), 10);
    }

    #[test]
    fn a_request_carries_its_id_and_the_length_of_its_body() {
        let id = Ids::unique().text(7);
        for (sender, member) in [
            (Sender::Transactions, "transaction_id"),
            (Sender::Stripe, "id"),
            (Sender::Forger, "id"),
        ] {
            let [head, body] = Requests::new(sender).request(&id);
            assert!(
                head.ends_with(&format!("content-length: {}\r\n\r\n", body.len())),
                "{head}"
            );
            let is_signed = head.contains(stripe::SIGNATURE);
            assert_eq!(is_signed, sender != Sender::Transactions);
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body[member], id);
        }
    }
}
