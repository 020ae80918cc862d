//! What the environment and the command line give for the settings, before anything is made of it: what is empty is not
//! given, and what nobody can have meant is refused.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command, builder::Resettable};

/// The names of the settings' variables.
pub fn variables(command: &Command) -> Vec<String> {
    let variables = command.get_arguments().filter_map(variable);
    variables.map(str::to_owned).collect()
}

fn variable(argument: &Arg) -> Option<&str> {
    argument.get_env()?.to_str()
}

/// Has the command leave alone the variables that are empty. Fails with a sentence about one that is of no use.
#[expect(
    clippy::disallowed_methods,
    reason = "the settings are read in src/config.rs, by what is checked here"
)]
pub fn environment(command: Command) -> Result<Command, String> {
    let mut checked = Ok(());
    let command = command.mut_args(|argument| {
        let Some((name, value)) =
            variable(&argument).and_then(|name| Some((name, std::env::var_os(name)?)))
        else {
            return argument;
        };
        if value.is_empty() {
            return argument.env(Resettable::Reset);
        }
        if checked.is_ok() {
            checked = check(name, &value);
        }
        argument
    });
    checked.map(|()| command)
}

/// The words of the command line, without the flags of settings that are empty. Fails with a sentence about one that is of no
/// use.
pub fn words(
    command: &Command,
    mut words: impl Iterator<Item = OsString>,
) -> Result<Vec<OsString>, String> {
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let Some((variable, value)) = word.to_str().and_then(|word| flag(command, word)) else {
            kept.push(word);
            continue;
        };
        let in_the_same_word = value.map(OsString::from);
        let in_the_next = match in_the_same_word {
            Some(_) => None,
            None => words.next(),
        };
        // A flag at the end of the line is for the parser to complain about.
        let value = in_the_same_word.as_ref().or(in_the_next.as_ref());
        if value.is_some_and(|value| value.is_empty()) {
            continue;
        }
        if let Some(value) = value {
            check(variable, value)?;
        }
        kept.push(word);
        kept.extend(in_the_next);
    }
    Ok(kept)
}

/// The variable of a flag, and the value if it is in the same word.
fn flag<'a>(command: &'a Command, word: &'a str) -> Option<(&'a str, Option<&'a str>)> {
    let word = word.strip_prefix("--")?;
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| argument.get_long() == Some(name))?;
    Some((variable(argument)?, value))
}

/// Fails with a sentence about a value of which nothing can be made, whatever the variable is for.
pub fn check(variable: &str, value: &OsStr) -> Result<(), String> {
    let Some(text) = value.to_str() else {
        return Err(format!("{variable} must be UTF-8"));
    };
    match text.trim() == text && !text.contains(char::is_control) {
        true => Ok(()),
        false => Err(format!(
            "{variable} must have no white space at its beginning or end and no control character, such as a line break, \
             anywhere"
        )),
    }
}
