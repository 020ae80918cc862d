//! All sources, of all that is given.

use std::path::{Path, PathBuf};

use super::{
    build::{Built, build},
    declaration::{Declaration, Origin, in_document},
    document,
    variables::Variables,
};
use crate::reread::{Content, Faults, Files};

/// Sources of a process.
const SOURCES_MAX: usize = 1000;

/// Where sources are declared.
pub struct Given {
    /// `SOURCES_FILE`.
    pub file: Option<PathBuf>,
    pub variables: Variables,
}

impl Given {
    /// All declarations, in the order of their names; or a sentence that says what is wrong with one.
    pub fn declarations(
        &self,
        files: &mut Files,
        faults: &mut Faults,
    ) -> Result<Vec<Declaration>, String> {
        let mut declarations = self.variables.declarations()?;
        if let Some(path) = &self.file {
            let text = match files.content(path, false) {
                Content::Now(text) => text,
                Content::Before(text, why) => {
                    faults.insert(DOCUMENT.into(), format!("{DOCUMENT}: the file {why}"));
                    text
                }
                Content::Missing => return Err(format!("{DOCUMENT}: the file is not there")),
                Content::Never(why) => return Err(format!("{DOCUMENT}: the file {why}")),
            };
            let folder = path.parent().unwrap_or(Path::new(""));
            declarations.extend(document::declarations(&text, folder)?);
        }
        declarations.sort_by(|one, other| one.name.cmp(&other.name));
        let mut pairs = declarations.iter().zip(declarations.iter().skip(1));
        if let Some((one, other)) = pairs.find(|(one, other)| one.name == other.name) {
            let prefixes = [&one.origin, &other.origin].into_iter();
            let mut prefixes = prefixes.filter_map(|origin| match origin {
                Origin::Variables(prefix) => Some(prefix.as_str()),
                Origin::Document => None,
            });
            return Err(format!(
                "{} is there, and variables whose names begin with {}_ are set: it must be one of both",
                in_document(&one.name),
                prefixes.next().unwrap_or_default()
            ));
        }
        if declarations.len() > SOURCES_MAX {
            return Err(format!(
                "{DOCUMENT} must not have more than {SOURCES_MAX} sources"
            ));
        }
        Ok(declarations)
    }

    /// Makes each source of its declaration, or a sentence that says why it is none.
    pub fn build<'a>(
        &self,
        declarations: &'a [Declaration],
        files: &mut Files,
        faults: &mut Faults,
    ) -> Vec<(&'a Declaration, Result<Built, String>)> {
        let built = declarations.iter().map(|declaration| {
            let built = build(declaration, &self.variables, files, faults);
            (declaration, built)
        });
        built.collect()
    }
}

/// What sentences about the file begin with.
pub const DOCUMENT: &str = "SOURCES_FILE";

#[cfg(test)]
mod tests;
