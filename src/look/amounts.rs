//! An amount in a document: a JSON number with all its digits.

use entity::Amount;
use serde_json::value::RawValue;

/// `None` where there is no amount.
pub fn number(amount: Option<Amount>) -> Option<Box<RawValue>> {
    RawValue::from_string(amount?.to_string()).ok()
}
