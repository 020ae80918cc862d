//! `.env`: variables for those that have not been set otherwise. The file is the one in the working directory or, if there is
//! none, in the nearest folder above it.
//!
//! A line is `NAME=VALUE`, with `export` before it or without. The value is taken as it is written, `$` and quotes within it
//! included, up to white space and `#`, which begin a comment. `'VALUE'` is taken as it is, and `"VALUE"` but for `\n`, `\r`,
//! `\t`, `\\`, `\"` and `\$`; both may go over several lines. Of two lines with the same name the second counts.
//!
//! Other programs read the same file and may write it differently: what cannot be read is passed over with a warning, unless
//! it begins with the name of a setting. Only numbers of lines are ever told, for any line may hold a password.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// What came of it.
pub struct EnvFile {
    /// `None` where there is no file.
    path: Option<PathBuf>,
    /// The names of the variables that it has given: that were not set otherwise.
    given: Vec<String>,
    /// The numbers of the lines that were passed over.
    unreadable: Vec<usize>,
}

/// Adds to the environment what `.env` says. No other thread may run yet.
///
/// Variables with a name that `is_ours` must be right. Otherwise, or if the file is there and cannot be read, the answer is a
/// sentence that says so.
pub fn load(is_ours: impl Fn(&str) -> bool) -> Result<EnvFile, String> {
    let unreadable = |path: &Path, why: &str| format!("{} {why}", path.display());
    let found =
        find().map_err(|(path, error)| unreadable(&path, &format!("cannot be read: {error}")))?;
    let Some((path, content)) = found else {
        return Ok(EnvFile {
            path: None,
            given: Vec::new(),
            unreadable: Vec::new(),
        });
    };
    let content = String::from_utf8_lossy(&content);
    if content.contains('\0') {
        return Err(unreadable(&path, "must be a text in UTF-8"));
    }
    let Content {
        variables,
        unreadable,
    } = read(&content);
    let ours = unreadable.iter().find(|line| is_ours(&line.name));
    if let Some(Unreadable { line, name }) = ours {
        return Err(format!(
            "{}, line {line}: {name} must be written as {name}=VALUE, or {name}='VALUE' on one line or several",
            path.display()
        ));
    }
    let given: Vec<&Variable> = (variables.iter())
        .filter(|variable| is_unset(&variable.name))
        .collect();
    set(given.iter().copied());
    Ok(EnvFile {
        path: Some(path),
        given: given.iter().map(|variable| variable.name.clone()).collect(),
        unreadable: unreadable.iter().map(|line| line.line).collect(),
    })
}

impl EnvFile {
    /// The names of the variables that it has given.
    pub fn given(&self) -> &[String] {
        &self.given
    }

    /// Says it once. The log starts later than the file must be read.
    pub fn log(&self) {
        let Some(path) = &self.path else { return };
        let path = path.display();
        tracing::debug!(%path, "variables that were not set otherwise are those of this file");
        if !self.unreadable.is_empty() {
            let lines = self.unreadable.iter().map(ToString::to_string);
            let lines = lines.collect::<Vec<_>>().join(", ");
            tracing::warn!(event = "env_lines_ignored", %path, lines, "passed over lines that are not NAME=VALUE");
        }
    }
}

/// The file's path and content.
type Found = Option<(PathBuf, Vec<u8>)>;

fn find() -> Result<Found, (PathBuf, std::io::Error)> {
    let here = match std::env::current_dir() {
        Ok(here) => here,
        // Somebody has removed it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err((".env".into(), error)),
    };
    for path in here.ancestors().map(|folder| folder.join(".env")) {
        match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Ok(_) => match std::fs::read(&path) {
                Ok(content) => return Ok(Some((path, content))),
                Err(error) => return Err((path, error)),
            },
            Err(error) => return Err((path, error)),
        }
    }
    Ok(None)
}

/// An empty variable is an unset one.
#[expect(
    clippy::disallowed_methods,
    reason = "looks whether it is there, not what it says"
)]
fn is_unset(name: &str) -> bool {
    std::env::var_os(name).is_none_or(|value| value.is_empty())
}

/// The one way to change the environment without `unsafe` is a library that does it, and reads it from a text of its own
/// format.
fn set<'a>(variables: impl Iterator<Item = &'a Variable>) {
    let text: String = variables.map(Variable::for_library).collect();
    let set = dotenvy::from_read_override(text.as_bytes());
    debug_assert!(set.is_ok(), "it reads what is quoted like this");
}

#[derive(Default)]
struct Content {
    variables: Vec<Variable>,
    unreadable: Vec<Unreadable>,
}

struct Variable {
    name: String,
    value: String,
}

impl Variable {
    fn for_library(&self) -> String {
        let mut value = String::new();
        for character in self.value.chars() {
            if matches!(character, '\\' | '"' | '$') {
                value.push('\\');
            }
            value.push(character);
        }
        format!("{}=\"{value}\"\n", self.name)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Unreadable {
    line: usize,
    /// What seems to be its variable's name; may be empty.
    name: String,
}

fn read(text: &str) -> Content {
    let mut content = Content::default();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (statement, after) = statement(rest);
        match statement {
            Statement::Nothing => {}
            Statement::Variable(variable) => content.variables.push(variable),
            Statement::Unreadable { name } => {
                let name = name.to_owned();
                content.unreadable.push(Unreadable { line, name });
            }
        }
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    content
}

enum Statement<'a> {
    Nothing,
    Variable(Variable),
    Unreadable { name: &'a str },
}

/// The statement at the beginning of `text`, and what comes after its last line.
fn statement(text: &str) -> (Statement<'_>, &str) {
    let (line, after) = split_line(text);
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return (Statement::Nothing, after);
    }
    let line = match line
        .strip_prefix("export")
        .map(|rest| (rest, rest.trim_start()))
    {
        Some((rest, name)) if rest.len() > name.len() && !name.starts_with('=') => name,
        _ => line,
    };
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let (name, rest) = line.split_at(line.find(|c| !is_of_names(c)).unwrap_or(line.len()));
    let unreadable = (Statement::Unreadable { name }, after);
    let Some(written) = rest.trim_start().strip_prefix('=') else {
        return unreadable;
    };
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return unreadable;
    }
    // A quoted value may go on beyond the line.
    let from_value_on = &text[text.len() - after.len() - written.len()..];
    let (value, after) = match from_value_on.trim_start_matches([' ', '\t']) {
        text if text.starts_with(['\'', '"']) => match quoted(text) {
            Some(quoted) => quoted,
            None => return unreadable,
        },
        _ => (plain(written), after),
    };
    if value.contains(char::REPLACEMENT_CHARACTER) {
        // It was not UTF-8.
        return unreadable;
    }
    let name = name.to_owned();
    (Statement::Variable(Variable { name, value }), after)
}

/// The first line, with its line break, and what comes after it.
fn split_line(text: &str) -> (&str, &str) {
    text.split_at(text.find('\n').map_or(text.len(), |at| at + 1))
}

/// What is written up to a comment, without white space around it.
fn plain(written: &str) -> String {
    let mut before = 'x';
    let comment = written.find(|character: char| {
        let begins = character == '#' && before.is_whitespace();
        before = character;
        begins
    });
    written[..comment.unwrap_or(written.len())]
        .trim()
        .to_owned()
}

/// The value in quotes at the beginning of `text`, and what comes after its last line. None if the quotes are not closed, or
/// something other than a comment follows them.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.chars();
    let quote = characters.next()?;
    let mut value = String::new();
    loop {
        match characters.next()? {
            end if end == quote => break,
            '\\' if quote == '"' => match characters.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                itself @ ('\\' | '"' | '$') => value.push(itself),
                other => value.extend(['\\', other]),
            },
            character => value.push(character),
        }
    }
    let (rest, after) = split_line(characters.as_str());
    let rest = rest.trim();
    (rest.is_empty() || rest.starts_with('#')).then_some((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let Content {
            variables,
            unreadable,
        } = read(text);
        assert_eq!(unreadable, [], "{text}");
        let pairs = variables
            .into_iter()
            .map(|variable| (variable.name, variable.value));
        pairs.collect()
    }

    #[test]
    fn a_value_is_what_is_written() {
        for (line, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A=   ", ""),
            ("  export\tA = b c  ", "b c"),
            ("A=b\r", "b"),
            ("A=p$w${HOME}$", "p$w${HOME}$"),
            ("A='p$w'", "p$w"),
            ("A=\"p$w\\$x\"", "p$w$x"),
            ("A=b\\nc\\", "b\\nc\\"),
            ("A=it's \"so\"", "it's \"so\""),
            ("A=b=c", "b=c"),
            ("A=b#c", "b#c"),
            ("A=#b", "#b"),
            ("A=b #c # d", "b"),
            ("A= # b", ""),
            ("A='b # c' # d", "b # c"),
            ("A='b\\nc'", "b\\nc"),
            ("A=\"b\\n\\r\\t\\\\\\\"\\x\"", "b\n\r\t\\\"\\x"),
            ("A=' b '", " b "),
            ("A=''", ""),
            ("A=\u{fc}", "\u{fc}"),
        ] {
            assert_eq!(values(line), [("A".into(), value.into())], "{line}");
        }
        let odd = values("export=1\nexport =2\nexported=3\n_a.b=4\n");
        let names: Vec<_> = odd.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["export", "export", "exported", "_a.b"]);
    }

    #[test]
    fn a_quoted_value_may_have_several_lines_and_the_file_any_line_breaks() {
        let text = "\u{feff}# A=0\r\n\r\nA='b\r\nB=2\n' # c\r\nC=\"\n\"\n   \n  # D=4\nD=5";
        let expected = [("A", "b\r\nB=2\n"), ("C", "\n"), ("D", "5")];
        assert_eq!(
            values(text),
            expected.map(|(name, value)| (name.into(), value.into()))
        );
        assert_eq!(values(""), []);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_counted_and_hides_no_other() {
        for line in [
            "A",
            "A: b",
            "A b",
            "export A",
            "A='b",
            "A=\"b\\\"",
            "A='b'c",
            "A=\"b\" c",
            "A-B=c",
            "A=\u{fffd}",
        ] {
            let text = format!("X='1\n2'\n{line}\nB=3");
            let Content {
                variables,
                unreadable,
            } = read(&text);
            let names: Vec<_> = variables
                .iter()
                .map(|variable| variable.name.as_str())
                .collect();
            assert_eq!(names, ["X", "B"], "{line}");
            let name = "A".into();
            assert_eq!(unreadable, [Unreadable { line: 3, name }], "{line}");
        }
        for line in ["=b", "1A=b", ".A=b", "-", "if [ x ]; then"] {
            assert_eq!(read(line).unreadable.len(), 1, "{line}");
        }
    }

    #[test]
    fn the_library_sets_every_value_as_it_is() {
        let value = " it's \"p$w\" ${HOME} \\n \\\\ # x\r\n\nA=b\u{fc}'".to_owned();
        let name = "A".to_owned();
        let variable = Variable { name, value };
        let text = [variable.for_library(), variable.for_library()].concat();
        let read: Result<Vec<_>, _> = dotenvy::from_read_iter(text.as_bytes()).collect();
        let pair = (variable.name, variable.value);
        assert_eq!(read.unwrap(), [pair.clone(), pair]);
    }
}
