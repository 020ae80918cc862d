//! An exact sum of amounts.

use std::{fmt, ops::AddAssign, str::FromStr};

use thiserror::Error;

use crate::Amount;

/// Ten-thousandths, the smallest part of an amount, in one.
const UNITS: i128 = 10_000;

/// A sum of any number of amounts: 38 digits, of which four are after the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum(i128);

/// A text that is no sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a decimal number with at most 4 digits after its point")]
pub struct ParseSumError;

impl Sum {
    /// So many times this amount.
    pub fn of(amount: Amount, times: u64) -> Self {
        Self(amount.in_ten_thousandths() * i128::from(times))
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl FromStr for Sum {
    type Err = ParseSumError;

    /// Reads what PostgreSQL writes: digits, perhaps a sign before and a point with digits within.
    fn from_str(text: &str) -> Result<Self, ParseSumError> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = !whole.is_empty()
            && fraction.len() <= 4
            && (whole.chars().chain(fraction.chars())).all(|c| c.is_ascii_digit());
        let units = match is_number {
            true => format!("{whole}{fraction:0<4}").parse::<i128>().ok(),
            false => None,
        };
        let units = units.ok_or(ParseSumError)?;
        Ok(Self(if is_negative { -units } else { units }))
    }
}

/// A JSON number: no exponent, no trailing zeros, no `-0`.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0.unsigned_abs();
        let (whole, fraction) = (units / UNITS.unsigned_abs(), units % UNITS.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{fraction:04}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_exact_where_floating_point_is_not() {
        let mut sum = Sum::default();
        for (amount, times) in [
            ("0.1", 3),
            ("999999999999999.9999", 1_000_000_000),
            ("-0.0001", 1),
            ("-999999999999999.9999", 999_999_999),
        ] {
            sum += Sum::of(amount.parse().unwrap(), times);
        }
        assert_eq!(sum.to_string(), "1000000000000000.2998");
    }

    #[test]
    fn a_sum_is_read_as_it_is_written() {
        for (text, form) in [
            ("0", "0"),
            ("-0.0000", "0"),
            ("10.5000", "10.5"),
            ("-0.0001", "-0.0001"),
            (
                "9999999999999999999999999.9999",
                "9999999999999999999999999.9999",
            ),
        ] {
            assert_eq!(text.parse::<Sum>().unwrap().to_string(), form);
        }
        for text in ["", "-", ".5", "1.00001", "1e3", "NaN", "1.-5", "--1"] {
            assert_eq!(text.parse::<Sum>(), Err(ParseSumError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_sum_of_one_is_the_amount(units in -9_999_999_999_999_999_999_i128..=9_999_999_999_999_999_999) {
            let text = Sum(units).to_string();
            let amount: Amount = text.parse().unwrap();
            prop_assert_eq!(amount.to_string(), text);
            prop_assert_eq!(Sum::of(amount, 1), Sum(units));
        }
    }
}
