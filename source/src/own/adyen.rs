//! Adyen's payment notifications: each item of the body carries a MAC over eight of its own fields. All else in it is open to
//! change: `reason`, `eventDate`, `additionalData`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    encoding::Encoding,
    engine::{
        key::{Key, which},
        proof::Proof,
    },
    event::ITEMS_MAX,
    json,
    request::Request,
    verdict::Reason,
};

/// A name that stands twice is refused: what is signed would not be what is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    notification_items: Vec<Wrapped<'a>>,
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow, rename = "NotificationRequestItem")]
    item: Item<'a>,
}

type Field<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    psp_reference: Field<'a>,
    #[serde(borrow)]
    original_reference: Field<'a>,
    #[serde(borrow)]
    merchant_account_code: Field<'a>,
    #[serde(borrow)]
    merchant_reference: Field<'a>,
    #[serde(borrow)]
    amount: Option<Amount<'a>>,
    #[serde(borrow)]
    event_code: Field<'a>,
    #[serde(borrow)]
    success: Field<'a>,
    #[serde(borrow)]
    additional_data: Option<AdditionalData<'a>>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    #[serde(borrow)]
    value: Field<'a>,
    #[serde(borrow)]
    currency: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalData<'a> {
    #[serde(borrow)]
    hmac_signature: Field<'a>,
}

/// Every item must be proven, or none of them is.
pub(crate) fn prove<'a>(keys: &[Key], request: &Request<'a>) -> Result<Proof<'a>, Reason> {
    let body: Body<'_> = serde_json::from_slice(request.body).map_err(|_| Reason::Malformed)?;
    let items = body.notification_items;
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(Reason::Malformed);
    }
    let mut proof = Proof::default();
    for Wrapped { item } in &items {
        let data = item.additional_data.as_ref();
        let signature = data.and_then(|data| data.hmac_signature);
        let signature = signature.and_then(|signature| json::scalar(signature.get()));
        let signature = signature.ok_or(Reason::MissingHeader)?;
        let signature = Encoding::Base64.decode(signature.as_bytes());
        let signature = signature.ok_or(Reason::Malformed)?;
        let signed = item.signed()?;
        let signed = Cow::Borrowed(signed.as_bytes());
        proof.secret = which(keys, &[signed], &[signature]).ok_or(Reason::Mismatch)?;
    }
    Ok(proof)
}

impl Item<'_> {
    /// The eight fields with colons between. A colon or a backslash inside of one is not escaped.
    fn signed(&self) -> Result<String, Reason> {
        let amount = self.amount.as_ref();
        let fields = [
            text(self.psp_reference)?,
            text(self.original_reference)?,
            text(self.merchant_account_code)?,
            text(self.merchant_reference)?,
            whole(amount.and_then(|amount| amount.value))?,
            text(amount.and_then(|amount| amount.currency))?,
            text(self.event_code)?,
            truth(self.success)?,
        ];
        Ok(fields.join(":"))
    }
}

/// What is missing is signed as an empty text.
fn text(field: Field<'_>) -> Result<Cow<'_, str>, Reason> {
    let Some(field) = field else {
        return Ok(Cow::Borrowed(""));
    };
    json::scalar(field.get()).ok_or(Reason::Malformed)
}

/// An amount, in the digits in which it was sent: a point or an exponent may be written in several ways.
fn whole(field: Field<'_>) -> Result<Cow<'_, str>, Reason> {
    let text = text(field)?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let is_whole = digits.bytes().all(|c| c.is_ascii_digit());
    if is_whole {
        Ok(text)
    } else {
        Err(Reason::Malformed)
    }
}

/// A text, or the word itself.
fn truth(field: Field<'_>) -> Result<Cow<'_, str>, Reason> {
    match field.map(RawValue::get) {
        Some(word @ ("true" | "false")) => Ok(Cow::Borrowed(word)),
        _ => text(field),
    }
}
