//! Remembers everything that the service has said, and finds the first contradiction.

use std::collections::{BTreeMap, BTreeSet};

use entity::{Account, Amount, Currency, Status, conflict, transaction};

use super::model::{Content, Known, Webhook};

/// What a 202 says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) processed: bool,
    pub(super) duplicate: bool,
    pub(super) conflict: bool,
}

/// What a look-up says.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    /// In the order of [`Content::fields`].
    pub(super) content: [String; 4],
    pub(super) status: String,
    pub(super) created_at: String,
    pub(super) processed_at: Option<String>,
}

#[derive(Default)]
pub(super) struct Witness(BTreeMap<u8, Heard>);

/// All that was said about one id.
#[derive(Clone, Debug, Default)]
struct Heard {
    /// It was answered with 202, or found.
    exists: bool,
    /// Answers that said it was new.
    firsts: u32,
    /// What came first, as soon as anything has told it.
    stands: Option<Content>,
    /// What was answered to be in conflict with that.
    conflicts: BTreeSet<Content>,
    /// What was sent and not answered: it may have been committed.
    unanswered: BTreeSet<Content>,
    processed: bool,
    created_at: Option<String>,
    processed_at: Option<String>,
}

/// Whatever was told once is told again.
fn agree<T: Clone + PartialEq + std::fmt::Debug>(told: &mut Option<T>, now: &T) {
    assert_eq!(told.get_or_insert_with(|| now.clone()), now);
}

fn content_of([source, destination, amount, currency]: [&str; 4]) -> Content {
    let amount: Amount = amount.parse().unwrap();
    let said = Content::all().find(|content| {
        let fields = content.fields();
        [source, destination, currency] == [fields[0], fields[1], fields[3]]
            && amount == fields[2].parse().unwrap()
    });
    said.unwrap_or_else(|| panic!("nobody sent {source}, {destination}, {amount}, {currency}"))
}

/// The same for what a row of the database keeps: all of it, for the built-in source.
fn kept_content(
    source: Option<&Account>,
    destination: Option<&Account>,
    amount: Option<Amount>,
    currency: Option<&Currency>,
) -> Content {
    let amount = amount.unwrap().to_string();
    content_of([
        source.unwrap().as_ref(),
        destination.unwrap().as_ref(),
        &amount,
        currency.unwrap().as_ref(),
    ])
}

fn id_of(transaction_id: &str) -> u8 {
    let id = transaction_id.strip_prefix('t').unwrap();
    id.parse().unwrap()
}

impl Heard {
    fn answer(&mut self, before: &Self, content: Content, answer: Answer) {
        assert!(answer.processed || !before.processed, "back to PROCESSING");
        if !answer.duplicate {
            assert!(!before.exists, "new, though it was there");
            assert!(!answer.conflict && !answer.processed, "{answer:?}");
            self.firsts += 1;
        }
        match answer.conflict {
            true => _ = self.conflicts.insert(content),
            false => agree(&mut self.stands, &content),
        }
        self.exists = true;
        self.processed |= answer.processed;
    }

    fn check(&self) {
        let certain = self.exists && self.unanswered.is_empty();
        let firsts = if certain { 1..=1 } else { 0..=1 };
        assert!(firsts.contains(&self.firsts), "new {} times", self.firsts);
        let stands = self.stands.as_ref();
        assert!(!stands.is_some_and(|stands| self.conflicts.contains(stands)));
    }
}

impl Witness {
    /// The answers to webhooks that were under way at the same time.
    pub(super) fn heard(&mut self, answers: &[(Webhook, Option<Answer>)]) {
        let before = self.0.clone();
        for (Webhook { id, content, .. }, answer) in answers {
            let heard = self.0.entry(*id).or_default();
            let before = before.get(id).cloned().unwrap_or_default();
            match answer {
                Some(answer) => heard.answer(&before, *content, *answer),
                None => _ = heard.unanswered.insert(*content),
            }
        }
        for heard in self.0.values() {
            heard.check();
        }
    }

    /// What a look-up found.
    pub(super) fn saw(&mut self, id: u8, known: &Known, found: Option<Transaction>) {
        let heard = self.0.entry(id).or_default();
        let Some(found) = found else {
            assert!(!heard.exists, "t{id} is gone: {heard:?}");
            return;
        };
        let content = content_of(found.content.each_ref().map(String::as_str));
        assert!(known.candidates.contains(&content), "t{id}: {found:?}");
        agree(&mut heard.stands, &content);
        agree(&mut heard.created_at, &found.created_at);
        let processed = found.status == "PROCESSED";
        assert!(processed || found.status == "PROCESSING", "{found:?}");
        assert!(processed || !heard.processed, "t{id} went back: {found:?}");
        assert_eq!(processed, found.processed_at.is_some(), "{found:?}");
        if let Some(processed_at) = &found.processed_at {
            agree(&mut heard.processed_at, processed_at);
        }
        heard.exists = true;
        heard.processed = processed;
        heard.check();
    }

    pub(super) fn check_transactions(&self, rows: &[transaction::Model]) {
        let mut ids: Vec<u8> = rows
            .iter()
            .map(|row| id_of(row.transaction_id.as_ref()))
            .collect();
        ids.sort_unstable();
        let exist = self.0.iter().filter(|(_, heard)| heard.exists);
        let exist: Vec<u8> = exist.map(|(id, _)| *id).collect();
        assert_eq!(ids, exist);
        for row in rows {
            assert_eq!(row.status, Status::Processed);
            let content = kept_content(
                row.source_account.as_ref(),
                row.destination_account.as_ref(),
                row.amount,
                row.currency.as_ref(),
            );
            let heard = &self.0[&id_of(row.transaction_id.as_ref())];
            assert_eq!(Some(content), heard.stands);
        }
    }

    /// Every conflict that was answered is kept once; beside those only what was not answered.
    pub(super) fn check_conflicts(&self, rows: &[conflict::Model]) {
        let mut kept = BTreeSet::new();
        for row in rows {
            let content = kept_content(
                row.source_account.as_ref(),
                row.destination_account.as_ref(),
                row.amount,
                row.currency.as_ref(),
            );
            let id = id_of(row.transaction_id.as_ref());
            assert!(kept.insert((id, content)), "t{id}: {content:?} kept twice");
            let heard = &self.0[&id];
            assert_ne!(Some(content), heard.stands, "t{id} conflicts with itself");
            assert!(
                heard.conflicts.contains(&content) || heard.unanswered.contains(&content),
                "t{id}: nobody was told of {content:?}"
            );
        }
        for (id, heard) in &self.0 {
            for content in &heard.conflicts {
                assert!(kept.contains(&(*id, *content)), "t{id}: {content:?} lost");
            }
        }
    }
}
