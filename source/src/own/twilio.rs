//! Twilio: a MAC over the address and the fields of a form; for any other body over the address alone, which then holds the
//! body's hash.

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use crate::{
    encoding::Encoding,
    engine::{
        key::{Key, which},
        proof::Proof,
    },
    place::sha256,
    request::{Request, form_value, sorted_form},
    verdict::Reason,
};

pub(crate) const HEADER: &str = "X-Twilio-Signature";

pub(crate) fn prove<'a>(keys: &[Key], request: &Request<'a>) -> Result<Proof<'a>, Reason> {
    let signature = request.header(HEADER)?.ok_or(Reason::MissingHeader)?;
    let signature = Encoding::Base64.decode(signature.as_bytes());
    let signatures = [signature.ok_or(Reason::Malformed)?];
    let fields = fields(request)?;
    let attempts = addresses(request.url).map(|url| {
        let message = [
            Cow::Owned(url.into_bytes()),
            Cow::Borrowed(fields.as_bytes()),
        ];
        which(keys, &message, &signatures)
    });
    let secret = attempts.into_iter().flatten().next();
    Ok(Proof {
        secret: secret.ok_or(Reason::Mismatch)?,
        ..Proof::default()
    })
}

pub(crate) fn sign(key: &Key, request: &Request<'_>) -> Option<(String, String)> {
    let fields = fields(request).ok()?;
    let [url, _] = addresses(request.url);
    let message = [
        Cow::Owned(url.into_bytes()),
        Cow::Owned(fields.into_bytes()),
    ];
    let signature = Encoding::Base64.encode(&key.sign(&message)?);
    Some((HEADER.to_owned(), signature))
}

/// What is signed after the address: the fields of a form. For any other body the address must hold its hash, or the body
/// would not be proven.
fn fields(request: &Request<'_>) -> Result<String, Reason> {
    if request.body.is_empty() {
        return Ok(String::new());
    }
    let content_type = request.header("Content-Type")?.unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default();
    if content_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        return sorted_form(request.body);
    }
    let query = request.url.split_once('?').map_or("", |(_, query)| query);
    let hash = form_value(query.as_bytes(), "bodySHA256")?.ok_or(Reason::MissingHeader)?;
    let is_equal = sha256(request.body)
        .as_bytes()
        .ct_eq(hash.to_ascii_lowercase().as_bytes());
    if !bool::from(is_equal) {
        return Err(Reason::Mismatch);
    }
    Ok(String::new())
}

/// The address without user and password, as it is and with its default port added or left out: between the sender and us
/// nobody agrees on whether that is written.
fn addresses(url: &str) -> [String; 2] {
    let Some((scheme, rest)) = url.split_once("://") else {
        return [url.to_owned(), url.to_owned()];
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
    let other = match host.strip_suffix(port) {
        Some(host) => host.to_owned(),
        None if has_port => host.to_owned(),
        None => format!("{host}{port}"),
    };
    [
        format!("{scheme}://{host}{path}"),
        format!("{scheme}://{other}{path}"),
    ]
}
