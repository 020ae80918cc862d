//! What a sender said, read strictly: exact numbers, every fault of a document named at once, nothing
//! taken that could be read in two ways.

use std::fmt::{self, Display};

use entity::{Amount, Content, ParseAmountError, Payment, SourceName, Webhook};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::extra::{Extra, Name};
use crate::problem::FieldError;

/// Why a body is no webhook.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// Not JSON (RFC 8259): where and how it breaks off.
    NotJson(String),
    /// JSON, but not a webhook: what is wrong with each field.
    Fields(Vec<FieldError>),
}

/// Reads a request's body. Members that we do not know are kept as they were sent.
pub(super) fn parse(body: &[u8]) -> Result<Webhook, Invalid> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Invalid::NotJson(format!(
            "the body is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })?;
    // RFC 8259, section 8.1: a parser may ignore a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let members: Members = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => Invalid::Fields(vec![FieldError {
            field: "",
            reason: "must be an object".into(),
        }]),
        _ => Invalid::NotJson(format!(
            "the body is not JSON: it breaks at line {}, column {}",
            error.line(),
            error.column()
        )),
    })?;
    let mut faults = Vec::new();
    let transaction_id = members
        .transaction_id
        .read("transaction_id", &mut faults, checked);
    let source_account = members
        .source_account
        .read("source_account", &mut faults, checked);
    let destination_account =
        members
            .destination_account
            .read("destination_account", &mut faults, checked);
    let amount = members.amount.read("amount", &mut faults, amount);
    let currency = members.currency.read("currency", &mut faults, checked);
    match (
        transaction_id,
        source_account,
        destination_account,
        amount,
        currency,
    ) {
        (
            Some(transaction_id),
            Some(source_account),
            Some(destination_account),
            Some(amount),
            Some(currency),
        ) => Ok(Webhook {
            source: SourceName::built_in(),
            transaction_id,
            content: Content::Payment(Payment {
                source_account,
                destination_account,
                amount,
                currency,
                extra: members.extra.into_object(),
            }),
        }),
        _ => Err(Invalid::Fields(faults)),
    }
}

/// A string of a kind that has a rule.
fn checked<T: TryFrom<String, Error: Display>>(raw: &RawValue) -> Result<T, String> {
    T::try_from(string(raw)?).map_err(|error| error.to_string())
}

/// A number, or a string that is exactly one: where numbers are binary floating point (in JavaScript, and in many a
/// client that was generated), only a string carries all digits.
fn amount(raw: &RawValue) -> Result<Amount, String> {
    let amount = match raw.get().starts_with('"') {
        false => raw.get().parse(),
        true => {
            let text = string(raw)?;
            // It has not been read as JSON yet, and `1_000`, `01` or `1 ` are numbers elsewhere.
            match serde_json::from_str::<&RawValue>(&text) {
                Ok(number) if number.get() == text => text.parse::<Amount>(),
                _ => Err(ParseAmountError::NotANumber),
            }
        }
    };
    amount.map_err(|error| error.to_string())
}

fn string(raw: &RawValue) -> Result<String, String> {
    serde_json::from_str(raw.get()).map_err(|_| {
        if raw.get().starts_with('"') {
            // The only strings that are JSON and no text: RFC 8259, section 8.2.
            "must not contain lone surrogates".into()
        } else {
            "must be a string".into()
        }
    })
}

/// One member of the document: its text, and how often it is there.
#[derive(Clone, Copy, Default)]
struct Member<'a> {
    raw: Option<&'a RawValue>,
    repeated: bool,
}

impl<'a> Member<'a> {
    fn set(&mut self, raw: &'a RawValue) {
        self.repeated = self.raw.replace(raw).is_some();
    }

    fn read<T>(
        self,
        field: &'static str,
        faults: &mut Vec<FieldError>,
        read: impl FnOnce(&RawValue) -> Result<T, String>,
    ) -> Option<T> {
        let value = match self.raw {
            None => Err("is required".into()),
            Some(_) if self.repeated => Err("must be given once".into()),
            Some(raw) => read(raw),
        };
        value
            .map_err(|reason| faults.push(FieldError { field, reason }))
            .ok()
    }
}

/// The members that we know, unread. Their texts are kept as they stand, so no number becomes binary
/// floating point and no depth of nesting costs more than its length.
#[derive(Default)]
struct Members<'a> {
    transaction_id: Member<'a>,
    source_account: Member<'a>,
    destination_account: Member<'a>,
    amount: Member<'a>,
    currency: Member<'a>,
    extra: Extra,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key()? {
                    let member = match name {
                        Name::TransactionId => &mut members.transaction_id,
                        Name::SourceAccount => &mut members.source_account,
                        Name::DestinationAccount => &mut members.destination_account,
                        Name::Amount => &mut members.amount,
                        Name::Currency => &mut members.currency,
                        Name::Other(name) => {
                            members.extra.add(&name, map.next_value()?);
                            continue;
                        }
                    };
                    member.set(map.next_value()?);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"transaction_id":"txn_1","source_account":"a","destination_account":"b","amount":1500,"currency":"INR"}"#;

    fn faults(body: &str) -> Vec<(&'static str, String)> {
        match parse(body.as_bytes()) {
            Err(Invalid::Fields(faults)) => {
                faults.into_iter().map(|f| (f.field, f.reason)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn with(member: &str, value: &str) -> String {
        let mut document: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(GOOD).unwrap();
        document.remove(member);
        let rest = serde_json::to_string(&document).unwrap();
        format!("{{\"{member}\":{value},{}", &rest[1..])
    }

    fn amount(body: &str) -> String {
        let webhook = parse(body.as_bytes()).unwrap();
        webhook.amount().unwrap().to_string()
    }

    #[test]
    fn a_good_webhook_is_read_whole() {
        let webhook = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(webhook.transaction_id.as_ref(), "txn_1");
        assert!(webhook.source.is_built_in());
        assert_eq!(webhook.extra(), None);
        assert_eq!(amount(GOOD), "1500");
        let marked = format!("\u{feff}{GOOD}");
        assert_eq!(parse(marked.as_bytes()), Ok(webhook));
    }

    #[test]
    fn a_string_that_is_exactly_a_number_is_an_amount() {
        for (text, kept) in [
            ("\"123456789012345.6789\"", "123456789012345.6789"),
            ("\"-1.50\"", "-1.5"),
            ("\"1\\u0030e1\"", "100"),
        ] {
            assert_eq!(amount(&with("amount", text)), kept, "{text}");
        }
        for text in [
            "", " 1", "1 ", "1,5", "+1", "01", "1.", "1_000", "NaN", r#"\"1\""#, r"1\u0000",
        ] {
            assert_eq!(
                faults(&with("amount", &format!("\"{text}\""))),
                [("amount", "must be a number".to_owned())],
                "{text}"
            );
        }
    }

    #[test]
    fn members_that_we_do_not_know_are_kept_as_they_were_sent() {
        let rest = &GOOD[1..GOOD.len() - 1];
        let body = format!(
            r#" {{ "z": 1.10, {rest}, "n\u006fte" :{{"a" : 12345678901234567890.0}}, "z":null , "q\"":"\u20b9 \ud800" }} "#
        );
        let webhook = parse(body.as_bytes()).unwrap();
        assert_eq!(
            webhook.extra().unwrap(),
            r#"{"z":1.10,"note":{"a" : 12345678901234567890.0},"z":null,"q\"":"\u20b9 \ud800"}"#
        );
        let plain = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(webhook.fingerprint(), plain.fingerprint());
    }

    #[test]
    fn members_that_we_do_not_know_are_kept_however_deep() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let webhook = parse(with("note", &deep).as_bytes()).unwrap();
        assert_eq!(webhook.extra().unwrap(), format!("{{\"note\":{deep}}}"));
    }

    #[test]
    fn a_name_with_an_escape_is_the_same_name() {
        let escaped = GOOD.replace("currency", "curr\\u0065ncy");
        assert_eq!(parse(escaped.as_bytes()), parse(GOOD.as_bytes()));
    }

    #[test]
    fn all_faults_are_named_at_once() {
        assert_eq!(
            faults(
                r#"{"source_account":"","destination_account":7,"amount":"1 ","currency":"inr"}"#
            ),
            [
                ("transaction_id", "is required".to_owned()),
                ("source_account", "must have 1 to 255 characters".into()),
                ("destination_account", "must be a string".into()),
                ("amount", "must be a number".into()),
                ("currency", "must be three capital letters".into()),
            ]
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let twice = GOOD.replace("\"amount\":1500", "\"amount\":1500,\"amount\":1");
        assert_eq!(
            faults(&twice),
            [("amount", "must be given once".to_owned())]
        );
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for (member, value, reason) in [
            (
                "transaction_id",
                r#""a\u0000""#,
                "must not contain control characters",
            ),
            (
                "transaction_id",
                r#""a\ud800""#,
                "must not contain lone surrogates",
            ),
            ("transaction_id", "null", "must be a string"),
            ("source_account", deep.as_str(), "must be a string"),
            (
                "amount",
                "1e400",
                "must have at most 15 digits before and 4 after the decimal point",
            ),
            ("amount", deep.as_str(), "must be a number"),
            ("currency", r#""₹""#, "must be three capital letters"),
        ] {
            assert_eq!(
                faults(&with(member, value)),
                [(member, reason.to_owned())],
                "{value}"
            );
        }
        assert_eq!(faults("[1]"), [("", "must be an object".to_owned())]);
    }

    #[test]
    fn what_is_not_json_is_called_so() {
        for body in [
            "",
            "{",
            "nonsense",
            &GOOD[..40],
            "{\"amount\":NaN}",
            &format!("{GOOD}x"),
        ] {
            assert!(
                matches!(parse(body.as_bytes()), Err(Invalid::NotJson(_))),
                "{body}"
            );
        }
        assert!(matches!(
            parse(b"{\"a\":\"\xff\"}"),
            Err(Invalid::NotJson(_))
        ));
    }
}
