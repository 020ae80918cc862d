//! What the tests begin with: declarations in a folder of their own, and what they come to.

use std::fs;

use tempfile::TempDir;

use super::{assembly::Given, build::Built, variables::Variables};
use crate::reread::{Faults, Files};

/// A `SOURCES_FILE` (none if it is empty) beside these files, and these variables.
pub fn scene(
    document: &str,
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> (TempDir, Given) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let file = folder.path().join("sources.toml");
    fs::write(&file, document).unwrap();
    let given = Given {
        file: (!document.is_empty()).then_some(file),
        variables: Variables::of(variables),
    };
    (folder, given)
}

pub fn assembled(given: &Given) -> Result<Vec<Built>, String> {
    let (mut files, mut faults) = (Files::default(), Faults::new());
    let declarations = given.declarations(&mut files, &mut faults)?;
    let built = given.build(&declarations, &mut files, &mut faults);
    assert!(faults.is_empty());
    built.into_iter().map(|(_, built)| built).collect()
}
