//! For how long things are kept.

use std::time::Duration;

use clap::Args;
use entity::lifecycle::retention::Limits;

/// Shorter ones would delete what somebody may still be working on.
const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[derive(Args, Clone, Copy)]
pub struct Retention {
    /// How long the bytes of events are kept [default: for ever, as is 0]
    ///
    /// No limit touches what is unfinished, nor any id: a repeat is known for ever. On PostgreSQL whole months go, when their
    /// last transaction is that old. docs/OPERATIONS.md says more.
    #[arg(
        long, env, global = true, value_name = "RETENTION_PAYLOADS", value_parser = kept_for
    )]
    pub retention_payloads: Option<Kept>,

    /// How long finished transactions are kept, with all that belongs to them [default: for ever]
    #[arg(
        long, env, global = true, value_name = "RETENTION_TRANSACTIONS", value_parser = kept_for
    )]
    pub retention_transactions: Option<Kept>,

    /// How long what has been tried for a finished transaction is kept [default: for ever]
    #[arg(
        long, env, global = true, value_name = "RETENTION_ATTEMPTS", value_parser = kept_for
    )]
    pub retention_attempts: Option<Kept>,

    /// How long other content under a known id is kept [default: for ever]
    #[arg(
        long, env, global = true, value_name = "RETENTION_CONFLICTS", value_parser = kept_for
    )]
    pub retention_conflicts: Option<Kept>,

    /// How long the ledger of refusals is kept, which has a million lines at most
    #[arg(
        long, env, global = true, value_name = "RETENTION_REFUSALS", default_value = "7d", value_parser = kept_for
    )]
    pub retention_refusals: Kept,

    /// How long it is kept what operators did [default: for ever]
    #[arg(
        long, env, global = true, value_name = "RETENTION_AUDIT", value_parser = kept_for
    )]
    pub retention_audit: Option<Kept>,
}

/// A length of time; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(Option<Duration>);

impl Retention {
    pub fn limits(&self) -> Limits {
        let limit = |kept: Option<Kept>| kept.and_then(|Kept(limit)| limit);
        Limits {
            payloads: limit(self.retention_payloads),
            transactions: limit(self.retention_transactions),
            attempts: limit(self.retention_attempts),
            conflicts: limit(self.retention_conflicts),
            refusals: limit(Some(self.retention_refusals)),
            audit: limit(self.retention_audit),
        }
    }
}

fn kept_for(text: &str) -> Result<Kept, String> {
    let length = match text {
        "0" => Ok(Duration::ZERO),
        text => humantime::parse_duration(text),
    };
    match length {
        Ok(Duration::ZERO) => Ok(Kept(None)),
        Ok(length) if length < SHORTEST => {
            Err("must be 1d or longer, or 0, which is for ever".into())
        }
        Ok(length) if length > LONGEST => Err("must not be longer than 36500d".into()),
        Ok(length) => Ok(Kept(Some(length))),
        Err(_) => Err(
            "must be a length of time with its unit, such as 30d or 400d, or 0, which is for ever"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_no_time_is_kept_for_ever() {
        let days = |days: u64| Some(Duration::from_secs(days * 24 * 60 * 60));
        for (text, kept) in [
            ("0", None),
            ("0s", None),
            ("1d", days(1)),
            ("400days", days(400)),
            ("36500d", days(36_500)),
        ] {
            assert_eq!(kept_for(text), Ok(Kept(kept)), "{text}");
        }
        for text in [
            "",
            "-1d",
            "30",
            "23h",
            "36501d",
            "month",
            "99999999999999999999d",
        ] {
            let error = kept_for(text).unwrap_err();
            assert!(error.starts_with("must "), "{text}: {error}");
        }
    }
}
