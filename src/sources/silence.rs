//! How long each source may be silent, for whoever looks without serving.

use std::time::Duration;

use entity::SourceName;

use super::{assembly::Given, variables::Variables};
use crate::{
    config::Config,
    reread::{Faults, Files},
};

/// The sources that have a rule, or a sentence that says why they cannot be told. No secret is read.
pub fn rules(config: &Config) -> Result<Vec<(SourceName, Duration)>, String> {
    let given = Given {
        file: config.sources_file.clone(),
        variables: Variables::of_process(),
    };
    let declarations = given.declarations(&mut Files::default(), &mut Faults::new())?;
    let rules = declarations.into_iter().filter_map(|declaration| {
        let source = declaration.name.parse().ok()?;
        Some((source, declaration.silent_after?))
    });
    Ok(rules.collect())
}
