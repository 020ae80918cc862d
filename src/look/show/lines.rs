//! A transaction, line by line.

use entity::{
    attempt, conflict,
    lifecycle::place::{CONFLICTS_MAX, Place},
};

use super::known::Known;
use crate::{
    look::{times, words},
    table,
};

const ATTEMPTS: [&str; 6] = ["NUMBER", "STARTED", "TOOK", "OUTCOME", "STATUS", "ERROR"];

/// What is shown of a transaction; its attempts one by one, and what was sent, only if that is wanted.
pub(super) fn lines(known: &Known, attempts: bool, payload: bool) -> String {
    let mut lines = about(known);
    lines.extend(place(known));
    lines.extend(repeats(known));
    lines.extend(conflicts(&known.conflicts));
    let tried = match (known.attempts.len(), attempts) {
        (count, false) if count > 0 => format!("{count}, which --attempts lists"),
        (count, _) => count.to_string(),
    };
    lines.push(("attempts", tried));
    lines.extend(sent(known, payload));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = lines.iter();
    let mut shown: Vec<String> = lines
        .map(|(name, value)| format!("{name:width$}  {}", table::printable(value)))
        .collect();
    if attempts && !known.attempts.is_empty() {
        let rows: Vec<Vec<String>> = known.attempts.iter().map(attempt).collect();
        let table = table::table(&ATTEMPTS, rows.iter().map(Vec::as_slice));
        shown.extend([String::new(), table]);
    }
    shown.join("\n")
}

type Line = (&'static str, String);

fn about(known: &Known) -> Vec<Line> {
    let row = &known.row;
    let mut lines = vec![
        ("transaction", row.transaction_id.to_string()),
        ("source", row.source.to_string()),
        ("row", row.id.to_string()),
        ("status", words::status(row.status).to_owned()),
        ("received", times::told(row.created_at)),
    ];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    add("processed", row.processed_at.map(times::told));
    if let Some(failure) = &known.failure {
        add("failed", Some(times::told(failure.failed_at)));
        let verdict = words::verdict(failure.verdict);
        add("reason", Some(format!("{verdict}: {}", failure.reason)));
    }
    add("type", row.kind.as_ref().map(ToString::to_string));
    let account = |account: &Option<entity::Account>| account.as_ref().map(ToString::to_string);
    add("from", account(&row.source_account));
    add("to", account(&row.destination_account));
    let currency = row.currency.as_ref().map(AsRef::as_ref).unwrap_or_default();
    let amount = row.amount.map(|amount| format!("{amount} {currency}"));
    add("amount", amount.map(|amount| amount.trim_end().to_owned()));
    lines
}

/// Where it is, if it is unfinished.
fn place(known: &Known) -> Vec<Line> {
    let Some(place) = &known.place else {
        return Vec::new();
    };
    let mut lines = vec![("waits", waits(place))];
    if let Some(holder) = place.holder {
        let lease = match place.lease_left_ms {
            Some(left) => format!("its lease runs {}", times::left(left)),
            None => "it has no lease".into(),
        };
        lines.push(("held by", format!("consumer {holder}; {lease}")));
    }
    if place.replay {
        lines.push(("replay", "its call is repeated".into()));
    }
    if place.crashes > 0 {
        let deaths = format!("consumers that died with it: {}", place.crashes);
        lines.push(("deaths", deaths));
    }
    lines
}

fn waits(place: &Place) -> String {
    if place.parked {
        return "in retries until its source is resumed".into();
    }
    let due = times::due(place.due_in_ms);
    match (place.in_retries, place.holder) {
        (true, _) => format!("in retries for its next attempt, {due}"),
        (false, Some(_)) => format!("in the outbox, at work; {due} again, should nobody finish it"),
        (false, None) => {
            format!("in the outbox and perhaps in the queue; {due} again, should nobody take it")
        }
    }
}

/// How often its id came again, if it did.
fn repeats(known: &Known) -> Option<Line> {
    let (count, last) = (known.beside.repeats?, known.beside.last_repeat_at?);
    let often = match count {
        1 => "once".to_owned(),
        count => format!("{count} times, last"),
    };
    let told = format!("came again {often} at {}", times::told(last));
    Some(("repeats", told))
}

fn conflicts(conflicts: &[conflict::Model]) -> Vec<Line> {
    let lines = conflicts.iter().map(|conflict| {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let amount = conflict.amount.map(|amount| amount.to_string());
        let content = [
            times::told(conflict.received_at),
            text(conflict.kind.as_ref().map(AsRef::as_ref)),
            text(conflict.source_account.as_ref().map(AsRef::as_ref)),
            text(conflict.destination_account.as_ref().map(AsRef::as_ref)),
            text(amount.as_deref()),
            text(conflict.currency.as_ref().map(AsRef::as_ref)),
        ];
        ("conflict", content.join("  "))
    });
    let mut lines: Vec<Line> = lines.collect();
    if lines.len() as u64 == CONFLICTS_MAX {
        lines.push(("conflict", "there may be more".into()));
    }
    lines
}

/// What was sent: how much it is, or the whole.
fn sent(known: &Known, whole: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(payload) = &known.payload {
        let kind = payload.content_type.as_deref().unwrap_or("no content type");
        let bytes = payload.body.len();
        let shown = match (whole, std::str::from_utf8(&payload.body)) {
            (false, _) => format!("{bytes} bytes, {kind}; --payload shows them"),
            (true, Ok(text)) => text.to_owned(),
            (true, Err(_)) => {
                format!("{bytes} bytes, {kind}, that are no text; --output json has them")
            }
        };
        lines.push(("payload", shown));
    }
    if let Some(extra) = &known.row.extra {
        let shown = match whole {
            true => extra.clone(),
            false => format!("{} bytes; --payload shows them", extra.len()),
        };
        lines.push(("extra", shown));
    }
    lines
}

fn attempt(attempt: &attempt::Model) -> Vec<String> {
    let status = attempt.status.map(|status| status.to_string());
    vec![
        attempt.number.to_string(),
        times::told(attempt.started_at),
        times::length(attempt.took_ms.unsigned_abs()),
        words::outcome(attempt.outcome).to_owned(),
        status.unwrap_or_default(),
        attempt.error.clone().unwrap_or_default(),
    ]
}
