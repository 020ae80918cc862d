//! The request, rendered once: between two webhooks only the id differs, and it has a fixed length.

/// Hexadecimal digits of an id after `txn_`.
const DIGITS: usize = 16;

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

    /// The id of webhook `number` as hexadecimal digits: scattered like the ids of real senders, so that the index
    /// over them gets no help from their order.
    pub(crate) fn digits(&self, number: u64) -> [u8; DIGITS] {
        let mut rest = scatter(self.seed.wrapping_add(number % self.distinct));
        let mut digits = [0; DIGITS];
        for digit in &mut digits {
            *digit = b"0123456789abcdef"[(rest >> 60) as usize];
            rest <<= 4;
        }
        digits
    }

    /// The whole id.
    pub(crate) fn text(&self, number: u64) -> String {
        format!("txn_{}", String::from_utf8_lossy(&self.digits(number)))
    }
}

/// SplitMix64's last step: different numbers have different images.
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One request's bytes.
pub(super) struct Request {
    bytes: Vec<u8>,
    body_at: usize,
    id_at: usize,
}

impl Request {
    pub(super) fn new() -> Self {
        let body = format!(
            r#"{{"transaction_id":"txn_{:0>DIGITS$}","source_account":"acc_user_1","destination_account":"acc_merchant_1","amount":1500,"currency":"INR"}}"#,
            ""
        );
        let head = format!(
            "POST /v1/webhooks/transactions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self {
            body_at: head.len(),
            id_at: head.len() + r#"{"transaction_id":"txn_"#.len(),
            bytes: (head + &body).into_bytes(),
        }
    }

    /// The request with this id, as one part, or head and body `apart`.
    pub(super) fn parts(&mut self, digits: [u8; DIGITS], apart: bool) -> [&[u8]; 2] {
        self.bytes[self.id_at..][..DIGITS].copy_from_slice(&digits);
        let first = if apart {
            self.body_at
        } else {
            self.bytes.len()
        };
        self.bytes.split_at(first).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Ids, Request};

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
        let ids = Ids::unique();
        let mut request = Request::new();
        let [whole, nothing] = request.parts(ids.digits(7), false);
        assert!(nothing.is_empty());
        let text = String::from_utf8(whole.to_vec()).unwrap();
        let [head, body] = request.parts(ids.digits(7), true);
        assert_eq!([head, body].concat(), text.as_bytes());
        assert!(head.ends_with(b"\r\n\r\n") && body.starts_with(b"{"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["transaction_id"], ids.text(7));
    }
}
