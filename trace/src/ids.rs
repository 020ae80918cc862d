//! The ids of spans.

use std::fmt;

use uuid::Uuid;

/// The id of a span; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

/// What the ids of arrivals are made with. It must never change: a trace is put together by several processes, and by several
/// versions while they are being replaced.
const ARRIVALS: Uuid = Uuid::from_u128(0x6c1f_8d3e_52a7_4b09_9f64_0e7b_a1c8_35d2);

impl SpanId {
    /// That of the arrival of the webhook whose row has this id: the same for everybody.
    pub fn of_arrival(row: Uuid) -> Self {
        let (id, _) = Uuid::new_v5(&ARRIVALS, row.as_bytes()).as_u64_pair();
        // It has the version among its bits, and so is not zero.
        Self(id)
    }

    /// One that nobody else has.
    pub fn random() -> Self {
        Self(rand::random_range(1..=u64::MAX))
    }

    /// `None` is for zero, which is no id.
    pub(crate) fn new(id: u64) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
}

/// As W3C's Trace Context writes it.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_has_one_id_and_no_other_arrival_has_it() {
        let row = "0193a4c8-7b1e-7d3f-8a52-6f0e9c4b2d17".parse().unwrap();
        // Spans of the version before have this one as their parent.
        assert_eq!(SpanId::of_arrival(row).to_string(), "727a58332d8b551d");
        let ids = (0..1000).map(|_| SpanId::of_arrival(Uuid::now_v7()).to_string());
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1000);
    }
}
