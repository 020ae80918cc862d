//! `hookline sources sign`: what a sender would send now, as a command.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::{Context as _, bail, ensure};
use api::Sender;
use source::{Reason, Request, Verdict};
use time::OffsetDateTime;

use crate::{
    output,
    reread::{Faults, Files},
    sources::{assembly::Given, build::build, name::path},
};

/// Where a process with these settings is reached from the same machine.
pub fn local_url(host: &str, port: u16) -> String {
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    match host.contains(':') {
        true => format!("http://[{host}]:{port}"),
        false => format!("http://{host}:{port}"),
    }
}

pub fn run(given: &Given, name: &str, file: &Path, url: &str) -> anyhow::Result<()> {
    let sender = sender(given, name)?;
    let body = read(file, sender.body_bytes_max)?;
    let target = format!("{}{}", url.trim_end_matches('/'), path(name));
    let signed = sign(&sender, &target, &body, OffsetDateTime::now_utc())?;
    if sender.source.sends_secret() {
        tracing::warn!(
            event = "secret_in_command",
            "this sender sends the secret itself, so the command holds it"
        );
    }
    output::print(&curl(&target, &signed, file)?)
}

fn sender(given: &Given, name: &str) -> anyhow::Result<std::sync::Arc<Sender>> {
    let (mut files, mut faults) = (Files::default(), Faults::new());
    let declarations = given.declarations(&mut files, &mut faults);
    let declarations = declarations.map_err(anyhow::Error::msg)?;
    let mut named = declarations.iter().filter(|one| one.name == name);
    let declaration = named.next().with_context(|| {
        let names: Vec<_> = declarations.iter().map(|one| one.name.as_str()).collect();
        match names.is_empty() {
            true => "no source is configured, so there is none to sign for".to_owned(),
            false => format!(
                "NAME must be one of the configured sources: {}",
                names.join(", ")
            ),
        }
    })?;
    let built = build(declaration, &given.variables, &mut files, &mut faults);
    Ok(built.map_err(anyhow::Error::msg)?.sender)
}

fn read(file: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let unreadable = || format!("--body: {} cannot be read", file.display());
    let opened = File::open(file).with_context(unreadable)?;
    let mut limited = opened.take(bytes_max as u64 + 1);
    limited.read_to_end(&mut body).with_context(unreadable)?;
    ensure!(
        body.len() <= bytes_max,
        "--body: {} is longer than the {bytes_max} bytes that this source takes",
        file.display()
    );
    Ok(body)
}

type Headers = Vec<(String, String)>;

/// The headers with which this body is genuine now.
fn sign(
    sender: &Sender,
    target: &str,
    body: &[u8],
    now: OffsetDateTime,
) -> anyhow::Result<Headers> {
    let mut headers = vec![("Content-Type".to_owned(), content_type(body).to_owned())];
    let url = sender.public_url.as_deref().unwrap_or(target);
    let signed = with(&headers, |headers| {
        sender.source.sign(&Request {
            method: "POST",
            url,
            query: "",
            headers,
            body,
            now,
        })
    });
    let Some(signed) = signed else {
        bail!(
            "source {}: this cannot be signed here: the signature stands in the body or the address, needs its sender's \
             private key, or is over something that this body does not have",
            sender.name
        );
    };
    headers.extend(signed);
    let refusal = with(&headers, |headers| {
        let request = Request {
            method: "POST",
            url,
            query: "",
            headers,
            body,
            now,
        };
        if sender.name == api::BUILT_IN {
            return sender.source.prove(&request).err();
        }
        match sender.source.judge(&request) {
            Verdict::Refused(refusal) => Some(refusal),
            Verdict::Genuine(_) | Verdict::Handshake(_) => None,
        }
    });
    match refusal.map(|refusal| refusal.reason) {
        None => Ok(headers),
        Some(Reason::Unreadable) => bail!(
            "source {}: signed, this would be genuine, and still refused: no event can be read from it, as where the id \
             should stand there is none",
            sender.name
        ),
        Some(reason) => bail!(
            "source {}: signed, this would still be refused: {}",
            sender.name,
            reason.name()
        ),
    }
}

fn with<T>(headers: &Headers, look: impl FnOnce(&[(&str, &[u8])]) -> T) -> T {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    look(&headers.collect::<Vec<_>>())
}

/// What curl would say of any body is that it is a form.
fn content_type(body: &[u8]) -> &'static str {
    let is_of_forms = |c: &u8| c.is_ascii_graphic() && !b"{}[]<>\"".contains(c);
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => "application/json",
        Err(_) if body.contains(&b'=') && body.iter().all(is_of_forms) => {
            "application/x-www-form-urlencoded"
        }
        Err(_) => "application/octet-stream",
    }
}

fn curl(target: &str, headers: &Headers, file: &Path) -> anyhow::Result<String> {
    let file = file.to_str().context("--body must be UTF-8")?;
    let headers = headers
        .iter()
        .map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}"))));
    let first = format!("curl -i {}", quoted(target));
    let last = format!("--data-binary {}", quoted(&format!("@{file}")));
    let words = std::iter::once(first).chain(headers).chain([last]);
    Ok(words.collect::<Vec<_>>().join(" \\\n  "))
}

/// For a shell, which takes nothing within such quotes for anything else.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
