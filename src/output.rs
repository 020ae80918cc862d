//! What commands say to standard output.

use std::io::{ErrorKind, Write as _, stdout};

use anyhow::Context as _;

/// What a command was asked for, to standard output. That may be full; or a pipe whose reader has read enough, who has got
/// what they asked for.
pub fn print(line: &str) -> anyhow::Result<()> {
    print_on(line).map(drop)
}

/// The same, for what goes on and on. Returns whether anybody still reads.
pub fn print_on(line: &str) -> anyhow::Result<bool> {
    match writeln!(stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written
            .map(|()| true)
            .context("standard output cannot be written"),
    }
}
