//! In which currency an amount is.

use thiserror::Error;

use crate::text::checked_text;

/// Letters in a currency's code.
pub const LETTERS: usize = 3;
/// A currency's code as a regular expression.
pub const PATTERN: &str = "^[A-Z]{3}$";

/// Why a text is not a [`Currency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be three capital letters")]
pub struct ParseCurrencyError;

checked_text! {
    /// A currency's code: three capital letters (ISO 4217). Which codes there are is not checked, as that changes.
    Currency, ParseCurrencyError, check
}

fn check(text: &str) -> Result<(), ParseCurrencyError> {
    match text.len() == LETTERS && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => Ok(()),
        false => Err(ParseCurrencyError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!("INR".parse::<Currency>().unwrap().to_string(), "INR");
        for text in ["", "IN", "INRR", "inr", "IN1", "₹", "ÄÖÜ", " INR"] {
            assert_eq!(text.parse::<Currency>(), Err(ParseCurrencyError), "{text}");
        }
    }
}
