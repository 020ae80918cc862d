//! What is sent: a content that follows from the run and a number, so that the check can tell it again. Every fourth number is
//! a signed event of Stripe's; its id is what the built-in source calls the webhook before it, for an id is its source's own.

mod content;
mod old;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use self::content::Sent;
pub(super) use self::{
    content::{Content, Payment, Said, Variant, hash, key},
    old::{MONTHS, Was},
};
use crate::stripe::{self, Signer};

/// One number in so many is an event of Stripe's.
const SIGNED: u32 = 4;
/// Longer than a signature is believed.
const LONG_AGO: Duration = Duration::from_secs(3600);

/// The webhooks of one run.
#[derive(Clone)]
pub(super) struct Webhooks {
    /// Sets the run's ids apart from those of all other runs.
    run: String,
    signer: Arc<Signer>,
}

impl Webhooks {
    pub(super) fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            signer: Signer::new(stripe::SECRET).into(),
        }
    }

    /// Whether webhook `number` is one that is signed.
    pub(super) fn is_signed(number: u32) -> bool {
        number % SIGNED == SIGNED - 1
    }

    /// The id of webhook `number`, within its source.
    pub(super) fn id(&self, number: u32) -> String {
        let number = number - u32::from(Self::is_signed(number));
        format!("{}-{number}", self.run)
    }

    /// The key of webhook `number`.
    pub(super) fn key(&self, number: u32) -> String {
        let id = self.id(number);
        match Self::is_signed(number) {
            true => key(stripe::SOURCE, &id),
            false => id,
        }
    }

    /// The number behind a key of this run.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        let (id, after) = match key.split_once(':') {
            Some((stripe::SOURCE, id)) => (id, 1),
            Some(_) => return None,
            None => (key, 0),
        };
        let number: u32 = id
            .strip_prefix(&self.run)?
            .strip_prefix('-')?
            .parse()
            .ok()?;
        let number = number.checked_add(after)?;
        (Self::is_signed(number) == (after == 1)).then_some(number)
    }

    /// The content of webhook `number`.
    pub(super) fn content(&self, number: u32, variant: Variant) -> Content {
        let said = match Self::is_signed(number) {
            true => Said::Event {
                kind: kind(variant).to_owned(),
                bytes: hash(self.event(number, variant).as_bytes()),
            },
            false => Said::Payment(Payment::new(number, variant)),
        };
        let key = self.key(number);
        Content { key, said }
    }

    fn event(&self, number: u32, variant: Variant) -> String {
        stripe::event(&self.id(number), kind(variant))
    }

    /// The request for webhook `number`, signed as it leaves.
    pub(super) fn sent(&self, number: u32, variant: Variant) -> Sent {
        if !Self::is_signed(number) {
            return Payment::new(number, variant).sent(&self.id(number));
        }
        let body = self.event(number, variant);
        Sent {
            source: stripe::SOURCE,
            signature: Some(self.signer.sign(&body)),
            body,
        }
    }

    /// One that must be refused, and must not harm those that are committed beside it.
    pub(super) fn poison(&self, number: u32) -> Sent {
        match Self::is_signed(number) {
            true => self.forged(number),
            false => self.malformed(number),
        }
    }

    /// It has the id of what is genuine, which it must not claim.
    fn forged(&self, number: u32) -> Sent {
        let body = stripe::event(&self.id(number), "forged");
        let signature = match number / SIGNED % 4 {
            0 => Some(Signer::new("whsec_of_somebody_else").sign(&body)),
            1 => Some(self.signer.sign(&self.event(number, Variant::Original))),
            2 => Some(self.signer.sign_at(SystemTime::now() - LONG_AGO, &body)),
            _ => None,
        };
        Sent {
            source: stripe::SOURCE,
            body,
            signature,
        }
    }

    fn malformed(&self, number: u32) -> Sent {
        let mut id = format!("{}-poison-{number}", self.run);
        let mut payment = Payment::new(number, Variant::Original);
        match number % 6 {
            0 => id += "\0",
            1 => payment.amount = "1e40".to_owned(),
            2 => payment.source_account = "x".repeat(256),
            3 => payment.currency = "inr".to_owned(),
            4 => payment.destination_account = "x".repeat(100_000),
            _ => {}
        }
        let mut sent = payment.sent(&id);
        if number % 6 == 5 {
            sent.body = sent.body.replace("acc_user", "acc_\\ud800");
        }
        sent
    }
}

/// The type of an event, which alone makes two of them contradict each other.
fn kind(variant: Variant) -> &'static str {
    match variant {
        Variant::Original => "charge.succeeded",
        Variant::Other => "charge.refunded",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Variant, Webhooks};

    #[test]
    fn a_number_comes_back_from_its_key_and_from_no_other() {
        let webhooks = Webhooks::new("a-1");
        for number in 0..100 {
            assert_eq!(webhooks.number(&webhooks.key(number)), Some(number));
        }
        for stranger in [
            "a-2-17",
            "a-1-poison-17",
            "a-117",
            "",
            // What one source calls so, and another does not.
            "a-1-3",
            "stripe:a-1-3",
            "other:a-1-2",
            "stripe:a-1-4294967295",
        ] {
            assert_eq!(webhooks.number(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn one_id_is_used_by_both_sources() {
        let webhooks = Webhooks::new("a");
        let numbers = 0..1000;
        let ids: BTreeSet<String> = numbers.clone().map(|number| webhooks.id(number)).collect();
        let keys: BTreeSet<String> = numbers.map(|number| webhooks.key(number)).collect();
        assert_eq!((ids.len(), keys.len()), (750, 1000));
    }

    #[test]
    fn the_variants_of_a_webhook_contradict_each_other_under_one_id() {
        let webhooks = Webhooks::new("a");
        for number in 0..1000 {
            let [one, other] = [Variant::Original, Variant::Other];
            let contents = [one, other].map(|variant| webhooks.content(number, variant));
            assert_eq!(contents[0].key, contents[1].key);
            assert_ne!(contents[0].said, contents[1].said);
            for variant in [one, other] {
                let sent = webhooks.sent(number, variant);
                let _: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
                assert_eq!(sent.signature.is_some(), Webhooks::is_signed(number));
            }
        }
    }

    #[test]
    fn what_is_forged_looks_like_nothing_that_is_genuine() {
        let webhooks = Webhooks::new("a");
        let signed = (0..100).filter(|number| Webhooks::is_signed(*number));
        for number in signed {
            let forged = webhooks.poison(number);
            let genuine = webhooks.sent(number, Variant::Original);
            assert!(forged.body.contains(&webhooks.id(number)), "the same id");
            assert_ne!(forged.body, genuine.body);
            assert_ne!(forged.body, webhooks.sent(number, Variant::Other).body);
        }
    }
}
