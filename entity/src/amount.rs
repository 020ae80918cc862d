//! An exact amount of money, in whatever unit its sender counts.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use sea_orm::DeriveValueType;
use thiserror::Error;

/// Decimal digits that an amount may have before the point.
const INTEGER_DIGITS_MAX: u32 = 15;
/// Decimal digits that an amount may have after the point, trailing zeros aside.
const FRACTION_DIGITS_MAX: u32 = 4;

/// A decimal number of up to 15 integer and 4 fraction digits, positive, zero or negative.
///
/// It never passes through binary floating point: it is read from a JSON number's own text, kept as
/// `numeric(19,4)` (PostgreSQL) or text (SQLite), and written without trailing zeros, so `10.50`
/// comes back as `10.5`, equal in value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Amount(Decimal);

/// Why a text is not an [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseAmountError {
    /// No number in JSON's notation (RFC 8259, section 6).
    #[error("must be a number")]
    NotANumber,
    /// A number, but not one that is kept exactly.
    #[error("must have at most 15 digits before and 4 after the decimal point")]
    OutOfRange,
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    /// Reads a number in JSON's notation, exponents included.
    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(ParseAmountError::NotANumber);
        }
        let number = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        let number = number
            .map_err(|_| ParseAmountError::OutOfRange)?
            .normalize();
        let limit = Decimal::from(10_u64.pow(INTEGER_DIGITS_MAX));
        if number.scale() > FRACTION_DIGITS_MAX || number.abs() >= limit {
            return Err(ParseAmountError::OutOfRange);
        }
        Ok(Self(number))
    }
}

impl From<u32> for Amount {
    fn from(whole: u32) -> Self {
        Self(whole.into())
    }
}

impl Amount {
    /// A whole number: the smallest part of an amount is a ten-thousandth.
    pub(crate) fn in_ten_thousandths(self) -> i128 {
        let scale = FRACTION_DIGITS_MAX.saturating_sub(self.0.scale());
        self.0.mantissa() * 10_i128.pow(scale)
    }

    /// As PostgreSQL writes a `numeric(19,4)`.
    pub(crate) fn with_four_digits(self) -> String {
        format!("{:.4}", self.0)
    }
}

/// A JSON number: no exponent, no trailing zeros, no `-0`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, ParseAmountError> {
        text.parse::<Amount>().map(|amount| amount.to_string())
    }

    #[test]
    fn equal_values_have_one_form() {
        for (text, form) in [
            ("1500", "1500"),
            ("1500.0000", "1500"),
            ("10.50", "10.5"),
            ("1.5e3", "1500"),
            ("15E-1", "1.5"),
            ("-0.0", "0"),
            ("-12.3400", "-12.34"),
            ("999999999999999.9999", "999999999999999.9999"),
            ("-999999999999999.9999", "-999999999999999.9999"),
            ("1.5000000", "1.5"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(form), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        for text in [
            "1000000000000000",
            "0.00001",
            "1e400",
            "1e-400",
            "1e99999999999999999999",
            "1234567890123456789012345678901234567890",
        ] {
            assert_eq!(parse(text), Err(ParseAmountError::OutOfRange), "{text}");
        }
        for text in ["", "-", "NaN", "Infinity", "\"1\"", "null", "+1", ".5"] {
            assert_eq!(parse(text), Err(ParseAmountError::NotANumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[-0-9eE+.]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn every_amount_in_range_survives_its_text(units in -9_999_999_999_999_999_999_i128..=9_999_999_999_999_999_999) {
            let amount: Amount = Decimal::from_i128_with_scale(units, 4).to_string().parse().unwrap();
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
            prop_assert_eq!(amount.0, Decimal::from_i128_with_scale(units, 4));
        }
    }
}
