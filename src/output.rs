//! What commands say to standard output.

use std::io::{ErrorKind, Write as _, stdout};

use anyhow::Context as _;

/// What a command was asked for, to standard output. That may be full; or a pipe whose reader has read enough, who has got
/// what they asked for.
pub fn print(line: &str) -> anyhow::Result<()> {
    match writeln!(stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}
