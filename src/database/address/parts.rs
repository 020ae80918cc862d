//! How the parts of an address are written, whichever database it is of.

use percent_encoding::percent_decode_str;

pub(super) fn no_control_characters(text: &str) -> Result<(), String> {
    match text.chars().any(char::is_control) {
        true => Err("must have no control characters in it".into()),
        false => Ok(()),
    }
}

/// `%41` is `A`; a `%` with no two digits behind it is itself, as libraries have always let it pass in passwords.
pub(super) fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| "must be UTF-8 in what is written with %")?;
    no_control_characters(&decoded)?;
    Ok(decoded.into_owned())
}

/// `NAME=VALUE&…`, decoded.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            // What cannot be a name may be the end of a password, and is not to be shown.
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
            match !name.is_empty() && name.chars().all(is_name) && pair.contains('=') {
                true => Ok((name, decode(value)?)),
                false => Err(
                    "must have NAME=VALUE, joined by &, behind its ?; a ? in a password is written %3F"
                        .into(),
                ),
            }
        })
        .collect()
}

/// The note about parameters that have no effect.
pub(super) fn without_effect(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("without effect: {}", names.join(", ")))
}
