//! What fuzzed bytes mean. The targets use it, and the test that runs the corpus.

use std::{collections::BTreeMap, sync::LazyLock};

use source::{Credentials, Request, Secret, Settings, Source};
use time::OffsetDateTime;

const NOW: i64 = 1_790_000_000;

/// Every preset, with a secret that it takes.
static SOURCES: LazyLock<BTreeMap<&'static str, Source>> = LazyLock::new(|| {
    let sources = source::presets().map(|name| (name, build(name)));
    sources
        .filter_map(|(name, source)| Some((name, source?)))
        .collect()
});

fn build(name: &str) -> Option<Source> {
    let settings = Settings {
        preset: Some(name.to_owned()),
        ..Settings::default()
    };
    let secrets = secrets(name);
    let credentials = Credentials {
        certificates: secrets
            .iter()
            .filter_map(|secret| Some(secret.split_once("cert: ")?.1.to_owned()))
            .collect(),
        secrets: secrets
            .iter()
            .filter(|secret| !secret.contains("cert: "))
            .map(|secret| Secret::from(secret.as_str()))
            .collect(),
        verify_token: Some(Secret::from("a verify token")),
    };
    Source::new(&settings, &credentials).ok()
}

/// A secret, and what else it takes: those of its vectors, if there are any.
fn secrets(name: &str) -> Vec<String> {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../tests/vectors.json")).unwrap_or_default();
    let of_it = vectors.iter().filter(|vector| {
        let preset = vector["preset"].as_str().unwrap_or_default();
        preset.split(' ').next() == Some(name)
    });
    let texts = of_it.flat_map(|vector| {
        let secret = vector["secret"].as_str().unwrap_or_default();
        let secret = secret
            .trim_start_matches("webhook id ")
            .trim_start_matches("JWK ");
        let note = vector["note"]
            .as_str()
            .filter(|note| note.contains("cert: "));
        [Some(secret), note]
            .into_iter()
            .flatten()
            .map(str::to_owned)
    });
    let texts: Vec<_> = texts.collect();
    match name {
        "mollie-classic" => Vec::new(),
        "authorize-net" | "adyen-platforms" => vec!["44782DEF547AAA06".to_owned()],
        "airtable" => vec!["c2VjcmV0".to_owned()],
        _ if texts.is_empty() => vec!["a secret".to_owned()],
        _ => texts,
    }
}

/// A request: a line `preset METHOD query`, lines `name: value`, an empty line, the body.
pub fn judge(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes;
    let (preset, method, query) = {
        let line = std::str::from_utf8(line(&mut rest)?).ok()?;
        let mut words = line.splitn(3, ' ');
        (
            words.next()?,
            words.next()?,
            words.next().unwrap_or_default(),
        )
    };
    let source = SOURCES.get(preset)?;
    let mut headers = Vec::new();
    loop {
        let line = line(&mut rest)?;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|&c| c == b':')?;
        let (name, value) = line.split_at(colon);
        headers.push((std::str::from_utf8(name).ok()?, value[1..].trim_ascii()));
    }
    let url = source::url("https://example.com/webhook", query);
    let request = Request {
        method,
        url: &url,
        query,
        headers: &headers,
        body: rest,
        now: OffsetDateTime::from_unix_timestamp(NOW).ok()?,
    };
    source.sign(&request);
    Some(matches!(
        source.judge(&request),
        source::Verdict::Genuine(_)
    ))
}

/// Settings of a source as JSON, an empty line, and the body of a request to it.
pub fn settings(bytes: &[u8]) -> Option<bool> {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let settings: Settings = serde_json::from_slice(&bytes[..at]).ok()?;
    let credentials = Credentials {
        secrets: vec![Secret::from("a:secret")],
        ..Credentials::default()
    };
    let source = Source::new(&settings, &credentials).ok()?;
    let mut request = Request {
        method: "POST",
        url: "https://example.com/webhook?a=b",
        query: "a=b",
        headers: &[],
        body: &bytes[at + 2..],
        now: OffsetDateTime::from_unix_timestamp(NOW).ok()?,
    };
    let headers = source.sign(&request)?;
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers: Vec<_> = headers.collect();
    request.headers = &headers;
    Some(matches!(
        source.judge(&request),
        source::Verdict::Genuine(_)
    ))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&c| c == b'\n')?;
    let (line, after) = rest.split_at(end);
    *rest = &after[1..];
    Some(line)
}
