//! What may be done next, and what must be true after it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, strategy::Union};
use proptest_state_machine::ReferenceStateMachine;

/// Webhooks that are sent at once.
const AT_ONCE_MAX: usize = 12;
/// Ids that those share, so that many meet.
const SHARED_IDS: u8 = 12;
/// From the first of the requests under way to the crash, in milliseconds: before, in the middle of and
/// after their commits.
const CRASH_AFTER_MS_MAX: u64 = 30;

/// What a sender may say under an id; see [`Content::fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Content(usize);

/// Source account, destination account, amount, currency. Neighbours differ in one of them.
const CONTENTS: [[&str; 4]; 5] = [
    ["acc_user_1", "acc_merchant_1", "1500", "INR"],
    [
        "acc_user_1",
        "acc_merchant_1",
        "999999999999999.9999",
        "INR",
    ],
    [
        "acc_user_1",
        "acc_merchant_1",
        "999999999999999.9998",
        "INR",
    ],
    [
        "acc_user_1",
        "acc_merchant_2",
        "999999999999999.9998",
        "INR",
    ],
    [
        "acc_user_1",
        "acc_merchant_2",
        "999999999999999.9998",
        "USD",
    ],
];

impl Content {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CONTENTS.len()).map(Self)
    }

    pub(super) fn fields(self) -> [&'static str; 4] {
        CONTENTS[self.0]
    }
}

/// A webhook to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Webhook {
    pub(super) id: u8,
    pub(super) content: Content,
    /// Writes the amount in another form, which makes no other content.
    exponent: bool,
}

impl Webhook {
    pub(super) fn body(&self) -> String {
        let [source, destination, amount, currency] = self.content.fields();
        let exponent = if self.exponent { "e0" } else { "" };
        format!(
            r#"{{"transaction_id": "t{}", "source_account": "{source}", "destination_account": "{destination}", "amount": {amount}{exponent}, "currency": "{currency}"}}"#,
            self.id
        )
    }
}

#[derive(Clone, Debug)]
pub(super) enum Transition {
    Send(Webhook),
    SendAgain(Webhook),
    SendConflict(Webhook),
    SendMany(Vec<Webhook>),
    LookUp(u8),
    /// `kill -9`, so long after these were sent.
    Crash {
        under_way: Vec<Webhook>,
        after_ms: u64,
    },
    Stop,
    Restart,
    StartSecondProcess,
}

/// What is known of an id that was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// A 202 was certain. Otherwise it was under way in a crash, and nobody knows.
    pub(super) committed: bool,
    /// One of these came first: the only one, if it was sent alone.
    pub(super) candidates: BTreeSet<Content>,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Whether the work takes a moment, in which it can be killed.
    pub(super) slow: bool,
    pub(super) running: bool,
    pub(super) known: BTreeMap<u8, Known>,
}

impl Model {
    /// What was sent before this and committed stands; everything else may be what came first.
    fn sent(&mut self, webhooks: &[Webhook], answered: bool) {
        let before = self.known.clone();
        for webhook in webhooks {
            let known = self.known.entry(webhook.id).or_default();
            if !before.get(&webhook.id).is_some_and(|known| known.committed) {
                known.candidates.insert(webhook.content);
                known.committed |= answered;
            }
        }
    }
}

fn webhook(
    id: impl Strategy<Value = u8> + 'static,
    contents: Vec<Content>,
) -> impl Strategy<Value = Webhook> {
    let content = proptest::sample::select(contents);
    (id, content, any::<bool>()).prop_map(|(id, content, exponent)| Webhook {
        id,
        content,
        exponent,
    })
}

/// Webhooks that are sent at once, some under the same ids.
fn many() -> impl Strategy<Value = Vec<Webhook>> {
    vec(
        webhook(0..SHARED_IDS, Content::all().collect()),
        1..=AT_ONCE_MAX,
    )
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        any::<bool>()
            .prop_map(|slow| Self {
                slow,
                running: true,
                known: BTreeMap::new(),
            })
            .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Transition> {
        if !state.running {
            return Just(Transition::Restart).boxed();
        }
        let new = (0..=u8::MAX).find(|id| !state.known.contains_key(id));
        let new = new.map(|id| webhook(Just(id), Content::all().collect()));
        let crash = (many(), 0..=CRASH_AFTER_MS_MAX);
        let crash = crash.prop_map(|(under_way, after_ms)| Transition::Crash {
            under_way,
            after_ms,
        });
        let mut choices = vec![
            (4, many().prop_map(Transition::SendMany).boxed()),
            (2, (0..SHARED_IDS).prop_map(Transition::LookUp).boxed()),
            (4, crash.boxed()),
            (2, Just(Transition::Stop).boxed()),
            (1, Just(Transition::StartSecondProcess).boxed()),
        ];
        choices.extend(new.map(|webhook| (4, webhook.prop_map(Transition::Send).boxed())));
        let known: Vec<(u8, Known)> = state.known.clone().into_iter().collect();
        if !known.is_empty() {
            let again = proptest::sample::select(known.clone()).prop_flat_map(|(id, known)| {
                webhook(Just(id), known.candidates.into_iter().collect())
            });
            let conflict = proptest::sample::select(known).prop_flat_map(|(id, known)| {
                let others = Content::all().filter(|other| !known.candidates.contains(other));
                // If everything has been said, the first may be said again.
                let others: Vec<Content> = others.collect();
                let others = if others.is_empty() {
                    Content::all().collect()
                } else {
                    others
                };
                webhook(Just(id), others)
            });
            choices.push((3, again.prop_map(Transition::SendAgain).boxed()));
            choices.push((3, conflict.prop_map(Transition::SendConflict).boxed()));
        }
        Union::new_weighted(choices).boxed()
    }

    fn preconditions(state: &Self, transition: &Transition) -> bool {
        match transition {
            Transition::Restart => !state.running,
            Transition::Send(webhook) => state.running && !state.known.contains_key(&webhook.id),
            Transition::SendAgain(webhook) | Transition::SendConflict(webhook) => {
                state.running && state.known.contains_key(&webhook.id)
            }
            _ => state.running,
        }
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        match transition {
            Transition::Send(webhook)
            | Transition::SendAgain(webhook)
            | Transition::SendConflict(webhook) => state.sent(&[*webhook], true),
            Transition::SendMany(webhooks) => state.sent(webhooks, true),
            Transition::Crash { under_way, .. } => {
                state.sent(under_way, false);
                state.running = false;
            }
            Transition::Stop => state.running = false,
            Transition::Restart => state.running = true,
            Transition::LookUp(_) | Transition::StartSecondProcess => {}
        }
        state
    }
}
