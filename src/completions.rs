//! `hookline completions`: what a shell needs to complete our words.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for a shell.
pub fn run(arguments: &Arguments, mut command: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "hookline", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}
