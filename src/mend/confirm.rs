//! Questions, where there is somebody to ask.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use anyhow::Context as _;

/// The answer to a question; `None` where nobody can be asked.
pub fn ask(question: &str) -> anyhow::Result<Option<String>> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Ok(None);
    }
    let mut answer = String::new();
    write!(stderr(), "{question}").context("the question cannot be asked")?;
    let read = stdin().lock().read_line(&mut answer);
    read.context("the answer cannot be read")?;
    Ok(Some(answer.trim().to_owned()))
}
