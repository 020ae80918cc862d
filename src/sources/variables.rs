//! Sources that variables declare: `SOURCE_STRIPE_SECRET=whsec_…` is enough for one whose name is a preset's.

use std::collections::BTreeMap;

use source::Settings;

use super::{
    declaration::{
        BODY_BYTES, BODY_BYTES_BUILT_IN, CERTIFICATES, Declaration, GOOD_PUBLIC_URL,
        GOOD_SILENT_AFTER, Kept, Origin, PRESET, PUBLIC_URL, Reference, SECRETS, SILENT_AFTER,
        VERIFY_TOKEN, is_public_url, preset_of, silent_after,
    },
    name,
};
use crate::given;

/// With what the variables of a source begin.
const PREFIX: &str = "SOURCE_";

const SECRET_FILE: &str = "SECRET_FILE";
const VERIFY_TOKEN_FILE: &str = "VERIFY_TOKEN_FILE";

/// How their names end. None is the end of another.
const SUFFIXES: [&str; 8] = [
    SECRETS.1,
    SECRET_FILE,
    PRESET.1,
    PUBLIC_URL.1,
    VERIFY_TOKEN.1,
    VERIFY_TOKEN_FILE,
    CERTIFICATES.1,
    SILENT_AFTER.1,
];

/// What tools that build programs call the version of what they build.
const OTHERS: [&str; 5] = [
    "SOURCE_BRANCH",
    "SOURCE_COMMIT",
    "SOURCE_DATE_EPOCH",
    "SOURCE_REPOSITORY",
    "SOURCE_VERSION",
];

/// The variables of a process, as they are at its start.
pub struct Variables(BTreeMap<String, Option<String>>);

impl Variables {
    #[expect(
        clippy::disallowed_methods,
        reason = "a source may refer to any variable, and is declared by some whose names nobody knows before"
    )]
    pub fn of_process() -> Self {
        let all = std::env::vars_os();
        let all = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let all = all.filter(|(_, value)| !value.is_empty());
        Self(
            all.map(|(name, value)| (name, value.into_string().ok()))
                .collect(),
        )
    }

    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let all = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), Some(value.to_owned())));
        Self(all.collect())
    }

    /// What is in a variable, or what is wrong with it. An empty one is an unset one.
    pub fn get(&self, name: &str) -> Result<&str, &'static str> {
        let value = self.0.get(name).ok_or("is not set")?;
        value.as_deref().ok_or("must be UTF-8")
    }

    /// The sources that they declare, in the order of their names, or a sentence that says what is wrong.
    pub fn declarations(&self) -> Result<Vec<Declaration>, String> {
        let mut sources: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (variable, value) in &self.0 {
            let Some(rest) = ours(variable) else { continue };
            let (stem, suffix) = split(rest).ok_or_else(|| unknown(variable))?;
            let is_of_names = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
            if !stem.bytes().all(is_of_names) || !name::is_good(&name_of(stem)) {
                return Err(format!(
                    "{variable} must have a source's name after {PREFIX}, in capital letters, digits and _"
                ));
            }
            let value = value
                .as_deref()
                .ok_or_else(|| format!("{variable} must be UTF-8"))?;
            sources.entry(stem).or_default().insert(suffix, value);
        }
        let sources = sources.into_iter();
        sources
            .map(|(stem, values)| declaration(stem, &values))
            .collect()
    }
}

/// Whether a variable of this name is about a source, or was meant to be.
pub fn is_ours(variable: &str) -> bool {
    ours(variable).is_some()
}

/// What follows the prefix.
fn ours(variable: &str) -> Option<&str> {
    let rest = variable.strip_prefix(PREFIX)?;
    let is_others = OTHERS.contains(&variable) || is_service_link(variable);
    (split(rest).is_some() || !is_others).then_some(rest)
}

/// Whether Kubernetes has set it, for a service whose name begins with `source`.
fn is_service_link(variable: &str) -> bool {
    let is_port = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_PORT")
        || variable.contains("_SERVICE_PORT_")
        || variable.split("_PORT_").skip(1).any(is_port)
}

/// The source's name, as it stands in the variable's, and how that ends.
fn split(rest: &str) -> Option<(&str, &'static str)> {
    let ends = SUFFIXES.iter().filter_map(|&suffix| {
        let stem = rest.strip_suffix(suffix)?.strip_suffix('_')?;
        (!stem.is_empty()).then_some((stem, suffix))
    });
    ends.min_by_key(|(stem, _)| stem.len())
}

fn name_of(stem: &str) -> String {
    stem.to_ascii_lowercase().replace('_', "-")
}

fn unknown(variable: &str) -> String {
    let known: Vec<_> = SUFFIXES.iter().map(|suffix| format!("_{suffix}")).collect();
    format!(
        "{variable} is no variable of a source: after {PREFIX}<NAME> must come one of {}",
        known.join(", ")
    )
}

/// The source of these variables, by the ends of their names.
fn declaration(stem: &str, values: &BTreeMap<&str, &str>) -> Result<Declaration, String> {
    let name = name_of(stem);
    let prefix = format!("{PREFIX}{stem}");
    let variable = |suffix: &str| format!("{prefix}_{suffix}");
    let setting = |suffix: &str| {
        let value = values.get(suffix);
        value
            .map(|&value| {
                given::check(&variable(suffix), value.as_ref()).map(|()| value.to_owned())
            })
            .transpose()
    };
    let in_variable = |suffix: &str| {
        let is_set = values.contains_key(suffix);
        is_set.then(|| Reference {
            told: variable(suffix),
            kept: Kept::Variable(variable(suffix)),
        })
    };
    let in_file = |suffix: &str| -> Result<Option<Reference>, String> {
        Ok(setting(suffix)?.map(|path| Reference {
            told: format!("{}: the file", variable(suffix)),
            kept: Kept::File {
                path: path.into(),
                is_optional: false,
            },
        }))
    };
    let one = |suffix: &str, file: &str| match (in_variable(suffix), in_file(file)?) {
        (Some(_), Some(_)) => Err(format!(
            "{} and {} are both set: it must be one of them",
            variable(suffix),
            variable(file)
        )),
        (reference, None) | (None, reference) => Ok(reference),
    };
    let preset = setting(PRESET.1)?.or_else(|| preset_of(&name));
    let Some(preset) = preset else {
        return Err(format!(
            "{} must be set, because the source's name is no preset's; hookline sources presets lists them",
            variable(PRESET.1)
        ));
    };
    let public_url = setting(PUBLIC_URL.1)?;
    if public_url.as_deref().is_some_and(|url| !is_public_url(url)) {
        return Err(format!("{} {GOOD_PUBLIC_URL}", variable(PUBLIC_URL.1)));
    }
    let silence = setting(SILENT_AFTER.1)?.map(|text| {
        silent_after(&text)
            .ok_or_else(|| format!("{} {GOOD_SILENT_AFTER}", variable(SILENT_AFTER.1)))
    });
    Ok(Declaration {
        settings: Settings {
            preset: Some(preset),
            ..Settings::default()
        },
        secrets: one(SECRETS.1, SECRET_FILE)?.into_iter().collect(),
        has_lines: false,
        certificates: in_file(CERTIFICATES.1)?.into_iter().collect(),
        verify_token: one(VERIFY_TOKEN.1, VERIFY_TOKEN_FILE)?,
        public_url,
        silent_after: silence.transpose()?,
        body_bytes_max: match name.as_str() {
            api::BUILT_IN => BODY_BYTES_BUILT_IN,
            _ => BODY_BYTES,
        },
        name,
        origin: Origin::Variables(prefix),
    })
}

#[cfg(test)]
mod tests;
