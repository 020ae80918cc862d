//! The webhooks: ids that differ, and nothing else.

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

/// Head and body of the request with this id.
pub(super) fn request(id: &str) -> [String; 2] {
    let body = format!(
        r#"{{"transaction_id":"{id}","source_account":"acc_user_1","destination_account":"acc_merchant_1","amount":1500,"currency":"INR"}}"#
    );
    let head = format!(
        "POST /v1/webhooks/transactions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head, body]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Ids, request};

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
        let [head, body] = request(&id);
        assert!(
            head.ends_with(&format!("content-length: {}\r\n\r\n", body.len())),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["transaction_id"], id);
    }
}
