//! What a source's transactions are searched and compared by: accounts, amount, currency.

use iso_currency::Currency;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    build::BuildError,
    place::{Places, View},
    verdict::Fields,
};

/// Where the fields stand, as an operator writes it: places like those of the id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldSettings {
    pub source_account: Option<String>,
    pub destination_account: Option<String>,
    pub amount: Option<String>,
    pub amount_unit: Option<AmountUnit>,
    pub currency: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AmountUnit {
    /// Cents, paise: whole numbers, of which ISO 4217 says how many digits stand after the point.
    Minor,
    /// Dollars, rupees.
    Major,
}

#[derive(Default)]
pub(crate) struct FieldPlaces {
    source_account: Option<Places>,
    destination_account: Option<Places>,
    amount: Option<(Places, AmountUnit)>,
    currency: Option<Places>,
}

impl FieldPlaces {
    pub(crate) fn new(settings: &FieldSettings) -> Result<Self, BuildError> {
        let fault = BuildError::setting("fields");
        let places = |text: &Option<String>| {
            let places = text.as_deref().map(Places::parse);
            places.transpose().map_err(&fault)
        };
        let currency = places(&settings.currency)?;
        let amount = match (places(&settings.amount)?, settings.amount_unit) {
            (None, None) => None,
            (Some(_), Some(AmountUnit::Minor)) if currency.is_none() => {
                return Err(fault("an amount in minor units needs `currency`".into()));
            }
            (Some(amount), Some(unit)) => Some((amount, unit)),
            (Some(_), None) => {
                let sentence = "`amount` needs `amount_unit`, which is \"minor\" or \"major\"";
                return Err(fault(sentence.into()));
            }
            (None, Some(_)) => return Err(fault("`amount_unit` is there without `amount`".into())),
        };
        Ok(Self {
            source_account: places(&settings.source_account)?,
            destination_account: places(&settings.destination_account)?,
            amount,
            currency,
        })
    }

    pub(crate) fn read(&self, view: &View<'_>) -> Fields {
        let currency = one(self.currency.as_ref(), view).and_then(|text| code(&text));
        let amount = self.amount.as_ref().and_then(|(places, unit)| {
            let text = one(Some(places), view)?;
            match unit {
                AmountUnit::Minor => minor(&text, currency.as_deref()?),
                AmountUnit::Major => major(&text),
            }
        });
        Fields {
            source_account: one(self.source_account.as_ref(), view).and_then(storable),
            destination_account: one(self.destination_account.as_ref(), view).and_then(storable),
            amount,
            currency,
        }
    }
}

fn one(places: Option<&Places>, view: &View<'_>) -> Option<String> {
    let texts = places?.find(view).ok()??;
    Some(texts.join(":"))
}

/// What a column of a database can hold and a line of a log can show.
const TEXT_BYTES_MAX: usize = 255;

/// The text, unless it is too long or has control characters.
pub(crate) fn storable(text: String) -> Option<String> {
    let is_storable = text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    is_storable.then_some(text)
}

/// Some senders write it in small letters.
fn code(text: &str) -> Option<String> {
    let is_code = text.len() == 3 && text.bytes().all(|c| c.is_ascii_alphabetic());
    is_code.then(|| text.to_ascii_uppercase())
}

/// Sets the point by moving it in the text.
fn minor(text: &str, currency: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let places = usize::from(Currency::from_code(currency)?.exponent()?);
    let digits = digits.trim_start_matches('0');
    let digits = format!("{digits:0>least$}", least = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

fn major(text: &str) -> Option<String> {
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text);
    (is_number && is_json).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_have_the_point_where_iso_4217_has_it() {
        for (text, currency, amount) in [
            ("1050", "USD", "10.50"),
            ("5", "USD", "0.05"),
            ("0", "USD", "0.00"),
            ("-1", "EUR", "-0.01"),
            ("1050", "JPY", "1050"),
            ("0", "JPY", "0"),
            ("1050", "KWD", "1.050"),
            ("007", "INR", "0.07"),
            ("90071992547409931", "USD", "900719925474099.31"),
        ] {
            assert_eq!(
                minor(text, currency).as_deref(),
                Some(amount),
                "{text} {currency}"
            );
        }
        for (text, currency) in [
            ("10.5", "USD"),
            ("1e3", "USD"),
            ("", "USD"),
            ("-", "USD"),
            ("+1", "USD"),
            ("1", "QQQ"),
            ("1", "XAU"),
        ] {
            assert_eq!(minor(text, currency), None, "{text} {currency}");
        }
    }

    #[test]
    fn major_units_keep_their_digits() {
        for text in ["1500", "10.50", "-0.1", "1e3", "0.1000000000000000000001"] {
            assert_eq!(major(text).as_deref(), Some(text));
        }
        for text in ["", "1,500", "01", ".5", "+1", "1 ", "NaN", "true", "-"] {
            assert_eq!(major(text), None, "{text}");
        }
    }
}
