//! Tells this process where to die, if the environment says so. In no release: only with the feature.

/// Where to die: `POINT:PASSAGE`.
const VARIABLE: &str = "HOOKLINE_FAILPOINT";

pub fn arm() -> Result<(), String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is no setting: a release does not know it"
    )]
    let Some(value) = std::env::var_os(VARIABLE) else {
        return Ok(());
    };
    let death = value.to_string_lossy().parse();
    let death = death.map_err(|error: failpoint::NoSuchPoint| format!("{VARIABLE} {error}"))?;
    failpoint::arm(death);
    Ok(())
}
