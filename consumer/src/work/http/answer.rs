//! What downstream answered, and what that means.

use std::time::{Duration, SystemTime};

use entity::Outcome;
use http_body_util::BodyExt as _;
use hyper::{StatusCode, body::Incoming, header::RETRY_AFTER, http::response::Parts};
use time::OffsetDateTime;

use super::{Signal, raw::Fragment, silence::Silence};

/// Bytes of a body that are read, so that the connection can be used again. After more it is given up.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a body that are kept, for the words about a failure.
const KEPT_BYTES_MAX: usize = 2 * 1024;
/// Characters of a body that are told.
const BODY_CHARS_MAX: usize = 200;
/// Characters that are told in all.
const ERROR_CHARS_MAX: usize = 500;
/// How long downstream may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Answer {
    status: StatusCode,
    retry_after: Option<RetryAfter>,
    /// The beginning of the body.
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryAfter {
    In(Duration),
    At(SystemTime),
}

/// What an answer, or the want of one, means.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) signal: Signal,
}

impl Answer {
    pub(super) fn new(head: &Parts) -> Self {
        let retry_after = head.headers.get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        Self {
            status: head.status,
            retry_after: retry_after.and_then(RetryAfter::parse),
            body: Vec::new(),
        }
    }

    /// An answer that is not understood but for its status.
    pub(super) fn from_fragment(fragment: Fragment) -> Self {
        let mut body = fragment.body;
        body.truncate(KEPT_BYTES_MAX);
        Self {
            status: fragment.status,
            retry_after: fragment.retry_after.as_deref().and_then(RetryAfter::parse),
            body,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Reads the body as far as it may go. A body that breaks off changes nothing: the status has come.
    pub(super) async fn read(&mut self, mut body: Incoming) {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else {
                continue;
            };
            length += data.len();
            if length > BODY_BYTES_MAX {
                return;
            }
            let room = KEPT_BYTES_MAX.saturating_sub(self.body.len());
            self.body.extend(data.iter().take(room));
        }
    }

    pub(super) fn verdict(&self, now: OffsetDateTime) -> Verdict {
        let outcome = judge(self.status);
        let retry_after = (self.retry_after)
            .filter(|_| outcome == Outcome::Failed)
            .map(|retry_after| retry_after.from(now.into()));
        let signal = match outcome {
            Outcome::Succeeded => Signal::Succeeded,
            Outcome::Refused => Signal::Refused,
            _ if retry_after.is_some() || self.status == StatusCode::TOO_MANY_REQUESTS => {
                Signal::Limited
            }
            Outcome::Failed | Outcome::Panicked => Signal::Failed,
        };
        Verdict {
            outcome,
            status: Some(self.status.as_u16()),
            error: (outcome != Outcome::Succeeded).then(|| self.words()),
            retry_after,
            signal,
        }
    }

    fn words(&self) -> String {
        let status = self.status.as_u16();
        let mut words = match self.status.canonical_reason() {
            Some(reason) => format!("answered {status} {reason}"),
            None => format!("answered {status}"),
        };
        let body = plain(&String::from_utf8_lossy(&self.body), BODY_CHARS_MAX);
        if !body.is_empty() {
            words = format!("{words}: {body}");
        }
        plain(&words, ERROR_CHARS_MAX)
    }
}

impl Verdict {
    pub(super) fn of_silence(silence: &Silence) -> Self {
        Self {
            outcome: Outcome::Failed,
            status: None,
            error: Some(plain(&silence.to_string(), ERROR_CHARS_MAX)),
            retry_after: None,
            signal: match silence {
                Silence::Body(_) | Silence::Request(_) => Signal::Panicked,
                Silence::Here(_) => Signal::Here,
                Silence::Connect(_) | Silence::Lost(_) | Silence::TimedOut(_) => {
                    Signal::Unreachable
                }
            },
        }
    }
}

/// A redirect is a failure that is tried again: it is not followed, and whoever runs downstream may well
/// put it right.
fn judge(status: StatusCode) -> Outcome {
    match status {
        _ if status.is_success() => Outcome::Succeeded,
        // These four say "not now" rather than "never".
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::CONFLICT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS => Outcome::Failed,
        _ if status.is_client_error() => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

impl RetryAfter {
    /// RFC 9110, section 10.2.3: seconds, or a date. What is neither is not there.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            // More digits than a number can have are a long time, too.
            let seconds = text.parse().unwrap_or(u64::MAX);
            return Some(Self::In(Duration::from_secs(seconds)));
        }
        httpdate::parse_http_date(text).ok().map(Self::At)
    }

    fn from(self, now: SystemTime) -> Duration {
        let wait = match self {
            Self::In(wait) => wait,
            // A moment that has passed is now.
            Self::At(moment) => moment.duration_since(now).unwrap_or_default(),
        };
        wait.min(RETRY_AFTER_MAX)
    }
}

/// At most `max` characters in one line: what downstream says goes into a log and a database, and may
/// contain what neither should.
fn plain(text: &str, max: usize) -> String {
    let spaced = text.replace(char::is_control, " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_means_done_never_or_not_now() {
        for code in 100..=999 {
            let expected = match code {
                200..=299 => Outcome::Succeeded,
                408 | 409 | 425 | 429 => Outcome::Failed,
                400..=499 => Outcome::Refused,
                _ => Outcome::Failed,
            };
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(judge(status), expected, "{code}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, wait) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            // The three forms of RFC 9110, section 5.6.7, all of the same second.
            ("Sun, 06 Nov 1994 08:49:39 GMT", Some(2)),
            ("Sunday, 06-Nov-94 08:49:39 GMT", Some(2)),
            ("Sun Nov  6 08:49:39 1994", Some(2)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let found = RetryAfter::parse(value).map(|found| found.from(now));
            assert_eq!(found, wait.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn what_is_told_is_one_short_line() {
        assert_eq!(plain("a\r\n\0b\u{2028}c \t d\u{85}", 500), "a b c d");
        assert_eq!(plain(&"ü".repeat(600), 500).chars().count(), 500);
    }
}
