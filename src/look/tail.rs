//! `hookline tail`.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Context as _;
use api::events::{Cursor, Event, Follower, Kind, Look};
use clap::Args;
use entity::SourceName;
use sea_orm::DatabaseConnection;
use serde::Serialize;

use super::times;
use crate::{
    config::BadSetting,
    logging, output,
    table::{self, Output},
};

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Arguments {
    /// Only what is about this source's transactions
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Where to go on, as --output json says it in `cursor` [default: from now on]
    #[arg(long, value_name = "CURSOR")]
    from: Option<String>,
    /// How to print it: a line for each event, or a JSON object
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

/// An event on a line of its own.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// Where to go on behind this event: behind the last of those that were found together.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Follows until it is ended, or until nobody reads what it says.
pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let failed = "DATABASE_URL: what happens could not be read";
    let mut follower = match arguments.from.as_deref().map(Cursor::decode) {
        Some(None) => {
            let sentence = "--from must be the cursor of an event, unchanged";
            return Err(BadSetting(sentence.into()).into());
        }
        Some(Some(cursor)) => Follower::from(cursor),
        None => Follower::from_now(db).await.context(failed)?,
    };
    if arguments.output == Output::Table && std::io::stderr().is_terminal() {
        logging::say("following what happens, 2 s behind it; Ctrl-C ends this");
    }
    loop {
        let look = follower.look(db).await.context(failed)?;
        let more = look.more;
        if !print(look, &follower, arguments)? {
            return Ok(());
        }
        if !more {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Returns whether anybody still reads.
fn print(look: Look, follower: &Follower, arguments: &Arguments) -> anyhow::Result<bool> {
    let mut events = look.events;
    let source = arguments.source.as_ref().map(AsRef::as_ref);
    events.retain(|event| source.is_none() || event.source.as_deref() == source);
    for (index, event) in events.iter().enumerate() {
        let is_last = index + 1 == events.len();
        let line = match arguments.output {
            Output::Table => in_words(event),
            Output::Json => table::json_line(&Line {
                event,
                cursor: is_last.then(|| follower.cursor().encode()),
            })?,
        };
        if !output::print_on(&line)? {
            return Ok(false);
        }
    }
    if look.passed_over > 0 {
        let count = look.passed_over;
        logging::say(&format!(
            "too many are unfinished: the end of {count} will not be told here"
        ));
    }
    Ok(true)
}

fn in_words(event: &Event) -> String {
    let word = |text: &Option<String>| table::printable(text.as_deref().unwrap_or_default());
    let mut words = vec![
        times::told(event.at),
        format!("{:<8}", event.event.as_str()),
    ];
    match event.event {
        Kind::Operator => {
            words.extend([word(&event.who), word(&event.act)]);
            words.extend(event.count.map(|count| count.to_string()));
        }
        Kind::Accepted | Kind::Finished | Kind::Failed => {}
    }
    words.extend([
        word(&event.source),
        word(&event.transaction_id),
        word(&event.kind),
    ]);
    words.extend([word(&event.verdict), word(&event.reason)]);
    words.retain(|word| !word.is_empty());
    words.join("  ")
}
