//! Sources that `SOURCES_FILE` declares: TOML, a table `[sources.NAME]` for each.
//!
//! No sentence repeats a value: any may be a secret that stands in a wrong place.

use std::path::Path;

use source::Settings;
use toml::{Table, Value};

use super::{
    declaration::{
        BODY_BYTES, BODY_BYTES_BUILT_IN, Declaration, GOOD_PUBLIC_URL, GOOD_SILENT_AFTER, Kept,
        Origin, Reference, in_document, is_public_url, preset_of, silent_after,
    },
    name,
};

/// Longer bodies are held in memory, each, while they are verified.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What may stand in a source's table: what says where its secrets are, and
const OURS: [&str; 8] = [
    "secrets",
    "secret_literals",
    "lines",
    "certificates",
    "verify_token",
    "public_url",
    "silent_after",
    "max_body",
];
/// what is read as [`Settings`], the first two of the built-in source, too.
const SETTINGS: [&str; 9] = [
    "preset",
    "verify",
    "id",
    "type",
    "time",
    "split",
    "on_missing_id",
    "answer",
    "fields",
];

/// The sources of a document, in the order of their names, or a sentence that says what is wrong. What it names by a relative
/// path is in `folder`.
pub fn declarations(text: &str, folder: &Path) -> Result<Vec<Declaration>, String> {
    let mut document: Table = text.parse().map_err(|error| not_toml(text, &error))?;
    let sources = document.remove("sources");
    if let Some(other) = document.keys().next() {
        return Err(format!(
            "SOURCES_FILE must consist of tables [sources.NAME], and has `{other}`"
        ));
    }
    let Some(Value::Table(sources)) = sources else {
        return Err("SOURCES_FILE must have a table [sources.NAME]".into());
    };
    if sources.is_empty() {
        return Err("SOURCES_FILE has no source".into());
    }
    let sources = sources.into_iter();
    sources
        .map(|(name, table)| {
            let told = in_document(&name);
            if !name::is_good(&name) {
                return Err(format!("{told}: its name must be {}", name::GOOD));
            }
            let Value::Table(table) = table else {
                return Err(format!("{told} must be a table [sources.{name}]"));
            };
            declaration(name, table, folder).map_err(|sentence| format!("{told}: {sentence}"))
        })
        .collect()
}

fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().and_then(|span| text.get(..span.start));
    let line = line.map_or(1, |before| before.matches('\n').count() + 1);
    let what = without_value(error.message());
    format!("SOURCES_FILE, line {line}: it must be TOML: {what}")
}

fn declaration(name: String, mut table: Table, folder: &Path) -> Result<Declaration, String> {
    let is_built_in = name == api::BUILT_IN;
    for key in table.keys() {
        let is_setting = SETTINGS.contains(&key.as_str());
        if !is_setting && !OURS.contains(&key.as_str()) {
            let known = [SETTINGS.as_slice(), &OURS].concat().join(", ");
            return Err(format!("`{key}` is no key of a source; they are {known}"));
        }
        let is_of_others = is_setting && !SETTINGS[..2].contains(&key.as_str());
        if is_built_in && (is_of_others || key == "max_body") {
            let sentence =
                "has no effect on the built-in source, whose fields and limits are fixed";
            return Err(format!("`{key}` {sentence}"));
        }
    }
    let mut take = |key| table.remove(key);
    let mut references = |key| references(&name, key, take(key), folder);
    let (mut secrets, certificates) = (references("secrets")?, references("certificates")?);
    let mut verify_tokens = references("verify_token")?;
    if verify_tokens.len() > 1 {
        return Err("`verify_token` must be one reference".into());
    }
    let literals = texts("secret_literals", take("secret_literals"))?;
    secrets.extend(literals.into_iter().enumerate().map(|(at, literal)| {
        let told = format!("{}: `secret_literals`[{at}]", in_document(&name));
        let kept = Kept::Here(literal.into());
        Reference { told, kept }
    }));
    let has_lines = match take("lines") {
        None => false,
        Some(Value::Boolean(has_lines)) => has_lines,
        Some(_) => return Err("`lines` must be true or false".into()),
    };
    let public_url = match take("public_url") {
        None => None,
        Some(Value::String(url)) if is_public_url(&url) => Some(url),
        Some(_) => return Err(format!("`public_url` {GOOD_PUBLIC_URL}")),
    };
    let silence = match take("silent_after") {
        None => None,
        Some(value) => {
            let silence = value.as_str().and_then(silent_after);
            Some(silence.ok_or_else(|| format!("`silent_after` {GOOD_SILENT_AFTER}"))?)
        }
    };
    let body_bytes_max = match take("max_body") {
        None if is_built_in => BODY_BYTES_BUILT_IN,
        None => BODY_BYTES,
        Some(value) => size(&value).ok_or(
            "`max_body` must be a number of bytes from 1 to 32 MiB, such as 65536, \"64KiB\" or \"2MiB\"",
        )?,
    };
    Ok(Declaration {
        settings: settings(&name, table)?,
        origin: Origin::Document,
        secrets,
        has_lines,
        certificates,
        verify_token: verify_tokens.pop(),
        public_url,
        silent_after: silence,
        body_bytes_max,
        name,
    })
}

/// Each key is read alone first, so that what is wrong with it is said of it.
fn settings(name: &str, table: Table) -> Result<Settings, String> {
    for (key, value) in &table {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        let read: Result<Settings, _> = alone.try_into();
        read.map_err(|error| format!("`{key}`: {}", without_value(error.message())))?;
    }
    let read: Result<Settings, _> = table.try_into();
    let mut settings = read.map_err(|error| without_value(error.message()))?;
    if settings.preset.is_none() && settings.verify.is_none() {
        settings.preset = preset_of(name);
    }
    if settings.preset.is_none() && settings.verify.is_none() {
        return Err(
            "`preset` or `verify` must say how its requests are proven; hookline sources presets lists the presets".into(),
        );
    }
    Ok(settings)
}

/// What the reader says of a value, without the value.
fn without_value(message: &str) -> String {
    let has_value = ["invalid type: ", "invalid value: ", "invalid length "];
    match message.rsplit_once(", expected ") {
        Some((_, right)) if has_value.iter().any(|start| message.starts_with(start)) => {
            format!("must be {right}")
        }
        _ if message.starts_with("unknown variant ") => match message.split_once("`, expected ") {
            Some((_, right)) => format!("must be {right}"),
            None => "is none of what it may be".into(),
        },
        _ => message.replace('\n', " "),
    }
}

/// A text, or a list of texts.
fn texts(key: &str, value: Option<Value>) -> Result<Vec<String>, String> {
    let fault = || format!("`{key}` must be a text, or a list of texts");
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(list)) => {
            let texts = list.into_iter().map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(fault()),
            });
            texts.collect()
        }
        Some(_) => Err(fault()),
    }
}

fn references(
    name: &str,
    key: &str,
    value: Option<Value>,
    folder: &Path,
) -> Result<Vec<Reference>, String> {
    let texts = texts(key, value)?.into_iter().enumerate();
    texts
        .map(|(at, text)| {
            let kept = kept(&text, folder).ok_or_else(|| {
                format!(
                    "`{key}`[{at}] must be env:NAME, file:PATH or file:PATH?optional; a secret itself may stand under \
                     `secret_literals`"
                )
            })?;
            let told = format!("{}: {text}", in_document(name));
            Ok(Reference { told, kept })
        })
        .collect()
}

fn kept(reference: &str, folder: &Path) -> Option<Kept> {
    if let Some(variable) = reference.strip_prefix("env:") {
        let is_of_names = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        let is_name = !variable.is_empty() && variable.bytes().all(is_of_names);
        return is_name.then(|| Kept::Variable(variable.to_owned()));
    }
    let path = reference.strip_prefix("file:")?;
    let (path, is_optional) = match path.strip_suffix("?optional") {
        Some(path) => (path, true),
        None => (path, false),
    };
    let is_path = !path.is_empty() && !path.contains(char::is_control);
    is_path.then(|| Kept::File {
        path: folder.join(path),
        is_optional,
    })
}

fn size(value: &Value) -> Option<usize> {
    let bytes = match value {
        Value::Integer(bytes) => usize::try_from(*bytes).ok()?,
        Value::String(text) => {
            let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
            let unit = match text[digits.len()..].trim_start() {
                "" | "B" => 1,
                "KiB" => 1024,
                "MiB" => 1024 * 1024,
                _ => return None,
            };
            digits.parse::<usize>().ok()?.checked_mul(unit)?
        }
        _ => return None,
    };
    (1..=BODY_BYTES_MAX).contains(&bytes).then_some(bytes)
}

#[cfg(test)]
mod tests;
