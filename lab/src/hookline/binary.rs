//! The program that is measured.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// Finds `hookline` where cargo has put it: beside the lab, or beside the tests' folder `deps`. A figure is only worth
/// something from an optimised build; a smoke run takes any.
pub(crate) fn find(smoke: bool) -> Result<PathBuf> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let folders = this.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join("hookline"))
        .find(|file| file.is_file());
    let binary = found.with_context(|| {
        let release = if cfg!(debug_assertions) {
            ""
        } else {
            " --release"
        };
        format!("there is no hookline beside the lab: run cargo build{release} first")
    })?;
    ensure!(
        smoke || !cfg!(debug_assertions),
        "this is a debug build, whose speed says nothing: run cargo build --release and cargo run --release -p lab -- \
         bench …, or add --smoke to check correctness only"
    );
    Ok(binary)
}
