//! What is asked, each time in another way.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use rand::{RngExt as _, rngs::StdRng};

use crate::bench::site::history::{History, Kind};

/// A summary's span.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Transactions in the span of a list that has one.
const SPAN: u64 = 20_000;

/// Writes a path with its query.
type Write = Box<dyn Fn(&History, &mut StdRng) -> String>;

/// What is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Json,
    /// The bytes of an event.
    Bytes,
    Unknown,
    /// A stream, whose first words count.
    Stream,
}

/// One kind of question.
pub(super) struct Question {
    pub(super) name: String,
    pub(super) expected: Expected,
    /// Whether it has a target: what sums up all of a span takes as long as that is.
    pub(super) is_judged: bool,
    pub(super) write: Write,
}

/// What transactions have in common.
pub(super) struct Filter {
    pub(super) name: &'static str,
    /// Writes it as the end of a query, and as a condition in SQL.
    pub(super) write: fn(&mut StdRng) -> (String, String),
}

/// The filters of `GET /v1/transactions`: what is everywhere, what is seldom, what is hardly ever, and what is nowhere.
pub(super) const FILTERS: [Filter; 14] = [
    Filter::of("no filter", |_| both("", "true")),
    Filter::of("status=PROCESSED", |_| {
        both("status=PROCESSED", "status = 'PROCESSED'")
    }),
    Filter::of("status=FAILED", |_| {
        both("status=FAILED", "status = 'FAILED'")
    }),
    Filter::of("status=PROCESSING", |_| {
        both("status=PROCESSING", "status = 'PROCESSING'")
    }),
    Filter::of("source, a tenth", |_| {
        both("source=stripe", "source = 'stripe'")
    }),
    Filter::of("source, 12 of all", |_| {
        both("source=github", "source = 'github'")
    }),
    Filter::of("source and type", |_| {
        both(
            "source=stripe&type=charge.failed",
            "source = 'stripe' AND type = 'charge.failed'",
        )
    }),
    Filter::of("type", |_| both("type=push", "type = 'push'")),
    Filter::of("account that pays", |random| {
        let account = format!("acc_user_{}", random.random_range(0..5000));
        both(
            &format!("account={account}"),
            &format!("source_account = '{account}'"),
        )
    }),
    Filter::of("account that receives", |random| {
        let account = format!("acc_merchant_{}", random.random_range(0..200));
        both(
            &format!("account={account}"),
            &format!("destination_account = '{account}'"),
        )
    }),
    Filter::of("account, 12 of all", |_| {
        both("account=acc_rare", "source_account = 'acc_rare'")
    }),
    Filter::of("amount and currency", |random| {
        let amount = format!("{:.2}", f64::from(random.random_range(1..10_007)) / 100.0);
        both(
            &format!("amount={amount}&currency=EUR"),
            &format!("amount = {amount} AND currency = 'EUR'"),
        )
    }),
    Filter::of("currency of none", |_| {
        both("currency=CHF", "currency = 'CHF'")
    }),
    Filter::of("status=FAILED, source, type", |_| {
        both(
            "status=FAILED&source=stripe&type=charge.failed",
            "status = 'FAILED' AND source = 'stripe' AND type = 'charge.failed'",
        )
    }),
];

impl Filter {
    const fn of(name: &'static str, write: fn(&mut StdRng) -> (String, String)) -> Self {
        Self { name, write }
    }
}

fn both(query: &str, condition: &str) -> (String, String) {
    let and = if query.is_empty() { "" } else { "&" };
    (format!("{and}{query}"), condition.to_owned())
}

impl Question {
    fn new(
        name: impl Into<String>,
        write: impl Fn(&History, &mut StdRng) -> String + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            expected: Expected::Json,
            is_judged: true,
            write: Box::new(write),
        }
    }

    fn expects(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }

    fn without_target(self) -> Self {
        Self {
            is_judged: false,
            ..self
        }
    }
}

/// All of them; `bulks` are ids of retries of many.
pub(super) fn all(bulks: Vec<String>) -> Vec<Question> {
    let lists = FILTERS.iter().map(|filter| {
        Question::new(format!("list, {}", filter.name), |history, random| {
            let to = time(history.time(random));
            format!("/v1/transactions?to={to}{}", (filter.write)(random).0)
        })
    });
    let mut questions: Vec<Question> = lists.collect();
    questions.extend(of_time());
    questions.extend(look_ups());
    questions.extend(others(bulks));
    questions
}

/// Lists of what is newest, and of spans of time.
fn of_time() -> [Question; 3] {
    [
        Question::new("list, newest", |_, random| {
            format!("/v1/transactions?limit={}", random.random_range(1..=200))
        }),
        Question::new("list, from and to", |history, random| {
            format!("/v1/transactions?limit=200&{}", span(history, random))
        }),
        Question::new("list, from and to, status=FAILED", |history, random| {
            format!("/v1/transactions?status=FAILED&{}", span(history, random))
        }),
    ]
}

/// One transaction, and all that is kept of it.
fn look_ups() -> Vec<Question> {
    let one = |name: &str, kind: Kind, part: &'static str| {
        Question::new(name, move |history, random| {
            let id = history.transaction_id(kind, random);
            let source = match kind {
                Kind::BuiltIn | Kind::Failed | Kind::Repeated => "",
                Kind::Stripe | Kind::StripeFailed | Kind::StripeRepeated => "/sources/stripe",
            };
            format!("/v1{source}/transactions/{id}{part}")
        })
    };
    vec![
        one("transaction", Kind::BuiltIn, ""),
        one("transaction, failed", Kind::Failed, ""),
        one("transaction, repeated", Kind::Repeated, ""),
        one("its attempts", Kind::Failed, "/attempts"),
        one("its conflicts", Kind::Repeated, "/conflicts"),
        Question::new("transaction of nobody", |_, random| {
            format!("/v1/transactions/txn_{:016x}", random.random::<u64>())
        })
        .expects(Expected::Unknown),
        one("event", Kind::Stripe, ""),
        one("event, failed", Kind::StripeFailed, ""),
        one("its payload", Kind::Stripe, "/payload").expects(Expected::Bytes),
        one("event's attempts", Kind::Stripe, "/attempts"),
        one("event's conflicts", Kind::StripeRepeated, "/conflicts"),
    ]
}

/// Everything else that can be looked at.
fn others(bulks: Vec<String>) -> Vec<Question> {
    let fixed = |name: &str, path: &'static str| Question::new(name, move |_, _| path.to_owned());
    vec![
        fixed("failures", "/v1/failures"),
        Question::new("failures, since", |history, random| {
            format!("/v1/failures?since={}", time(history.time(random)))
        }),
        fixed("failures, source", "/v1/failures?source=stripe"),
        fixed("refusals", "/v1/refusals"),
        fixed("refusals, source", "/v1/refusals?source=github"),
        fixed("audit", "/v1/audit"),
        Question::new("audit, from and to", |history, random| {
            format!("/v1/audit?limit=200&{}", span(history, random))
        }),
        fixed("retries", "/v1/retries"),
        Question::new("retry", move |_, random| {
            format!("/v1/retries/{}", bulks[random.random_range(0..bulks.len())])
        }),
        fixed("pauses", "/v1/pauses"),
        fixed("events, first words", "/v1/events").expects(Expected::Stream),
        Question::new("summary of a day", |history, random| {
            let from = history.time(random);
            let (from, to) = (time(from), time(from + DAY));
            format!("/v1/summary?from={from}&to={to}")
        })
        .without_target(),
    ]
}

fn span(history: &History, random: &mut StdRng) -> String {
    let span = history.span(SPAN, random);
    format!("from={}&to={}", time(span.start), time(span.end))
}

pub(super) fn time(time: SystemTime) -> String {
    format_rfc3339_seconds(time).to_string()
}
