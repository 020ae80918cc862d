//! What the references of a declaration refer to.

use std::sync::Arc;

use source::{Credentials, Secret};

use super::{
    declaration::{Declaration, Kept, Reference, SECRETS},
    variables::Variables,
};
use crate::reread::{Content, Faults, Files};

/// Secrets of a source: each costs a MAC for each request.
const SECRETS_MAX: usize = 16;
/// With what each certificate of a file begins.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// What a source is given, and where each of its secrets came from.
pub struct Found {
    pub credentials: Credentials,
    /// What a sentence about each of the secrets begins with, in their order.
    pub told: Vec<String>,
}

/// Looks up all references of a declaration. Fails with a sentence where there is nothing, and nothing was there before.
pub fn find(
    declaration: &Declaration,
    variables: &Variables,
    files: &mut Files,
    faults: &mut Faults,
) -> Result<Found, String> {
    let mut look_up = |reference: &Reference| text(reference, variables, files, faults);
    let mut found = Found {
        credentials: Credentials::default(),
        told: Vec::new(),
    };
    for reference in &declaration.secrets {
        let Some(text) = look_up(reference)? else {
            continue;
        };
        let is_file = matches!(reference.kept, Kept::File { .. });
        let secrets = match is_file && declaration.has_lines {
            true => lines(&text),
            false => vec![text.to_string()],
        };
        for secret in secrets {
            found.credentials.secrets.push(Secret::from(secret));
            found.told.push(reference.told.clone());
        }
    }
    if found.told.len() > SECRETS_MAX {
        return Err(format!(
            "{} must not be more than {SECRETS_MAX}",
            declaration.told_key(SECRETS)
        ));
    }
    for reference in &declaration.certificates {
        if let Some(text) = look_up(reference)? {
            found.credentials.certificates.extend(certificates(&text));
        }
    }
    if let Some(reference) = &declaration.verify_token {
        let text = look_up(reference)?;
        found.credentials.verify_token = text.map(|text| Secret::from(&*text));
    }
    Ok(found)
}

/// `None` where a file is missing that may be.
fn text(
    reference: &Reference,
    variables: &Variables,
    files: &mut Files,
    faults: &mut Faults,
) -> Result<Option<Arc<str>>, String> {
    let told = &reference.told;
    match &reference.kept {
        Kept::Here(text) => Ok(Some(text.clone())),
        Kept::Variable(name) => match variables.get(name) {
            Ok(value) => Ok(Some(value.into())),
            Err(why) => Err(format!("{told} {why}")),
        },
        Kept::File { path, is_optional } => match files.content(path, *is_optional) {
            Content::Now(text) => Ok(Some(without_line_end(&text).into())),
            Content::Before(text, why) => {
                faults.insert(told.clone(), format!("{told} {why}"));
                Ok(Some(without_line_end(&text).into()))
            }
            Content::Missing => Ok(None),
            Content::Never(why) => Err(format!("{told} {why}")),
        },
    }
}

/// Editors, and `echo`, end a file with a line break. Nothing else is taken away: it may be a part of the secret.
fn without_line_end(text: &str) -> &str {
    let stripped = (text.strip_suffix("\r\n")).or_else(|| text.strip_suffix('\n'));
    stripped.unwrap_or(text)
}

/// The secrets of a file that holds one on each line that is not blank.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(str::to_owned).collect()
}

/// The certificates of a file, one after the other; or what is there instead.
fn certificates(text: &str) -> Vec<String> {
    let begins = text.match_indices(CERTIFICATE).map(|(at, _)| at);
    let begins: Vec<usize> = begins.collect();
    if begins.is_empty() {
        return vec![text.to_owned()];
    }
    let ends = begins.iter().copied().skip(1).chain([text.len()]);
    let each = begins.iter().zip(ends);
    each.map(|(&begin, end)| text[begin..end].to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_taken_away_and_nothing_else() {
        for (text, secret) in [
            ("a", "a"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a\r", "a\r"),
            (" a b \n", " a b "),
        ] {
            assert_eq!(without_line_end(text), secret, "{text:?}");
        }
    }

    #[test]
    fn each_line_that_is_not_blank_is_a_secret() {
        assert_eq!(lines("new\r\n\n old \n"), ["new", " old "]);
        assert_eq!(lines("one"), ["one"]);
    }

    #[test]
    fn each_certificate_of_a_file_is_one() {
        let [one, other] = ["1", "2"].map(|text| format!("{CERTIFICATE}\n{text}\n-----END…\n"));
        assert_eq!(certificates(&format!("{one}{other}")), [one.clone(), other]);
        assert_eq!(certificates(&format!("# mine\n{one}")), [one]);
        assert_eq!(certificates("none"), ["none"]);
    }
}
