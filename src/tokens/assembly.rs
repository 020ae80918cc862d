//! All tokens, of all that is given.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use api::{Token, Tokens};

use super::given::{Given, Written};
use crate::{
    config::Config,
    reread::{Content, Faults, Files},
};

/// Where tokens of one kind are.
pub struct Places {
    variable: (&'static str, Option<Given>),
    file: (&'static str, Option<PathBuf>),
}

/// Where all tokens are.
pub struct All {
    read: Places,
    admin: Places,
}

impl All {
    pub fn of(config: &Config) -> Self {
        Self {
            read: Places {
                variable: ("READ_TOKEN", config.read_token.clone()),
                file: ("READ_TOKEN_FILE", config.read_token_file.clone()),
            },
            admin: Places {
                variable: ("ADMIN_TOKEN", config.admin_token.clone()),
                file: ("ADMIN_TOKEN_FILE", config.admin_token_file.clone()),
            },
        }
    }

    /// All tokens, or a sentence that says what is wrong with them. What a file cannot be read for, although it could before,
    /// is a fault.
    pub fn tokens(&self, files: &mut Files, faults: &mut Faults) -> Result<Tokens, String> {
        let read = self.read.tokens(files, faults)?;
        let admin = self.admin.tokens(files, faults)?;
        check(read.iter().chain(&admin))?;
        let sentences = faults.values().cloned().collect();
        Ok(Tokens::new(made(&read)?, made(&admin)?, sentences))
    }
}

/// A token, and the setting that gives it.
type Found = (&'static str, Written);

impl Places {
    fn tokens(&self, files: &mut Files, faults: &mut Faults) -> Result<Vec<Found>, String> {
        let (variable, given) = &self.variable;
        let given = given.iter().flat_map(|given| given.0.iter().cloned());
        let mut found: Vec<Found> = given.map(|token| (*variable, token)).collect();
        let (variable, path) = &self.file;
        let Some(path) = path else {
            return Ok(found);
        };
        let text = match files.content(path, false) {
            Content::Now(text) => text,
            Content::Before(text, why) => {
                let sentence = format!("{variable}: the file {why}");
                faults.insert((*variable).to_owned(), sentence);
                text
            }
            Content::Missing => return Err(format!("{variable}: the file does not exist")),
            Content::Never(why) => return Err(format!("{variable}: the file {why}")),
        };
        let tokens = Given::of_lines(&text).map_err(|why| format!("{variable}: the file {why}"))?;
        found.extend(tokens.0.into_iter().map(|token| (*variable, token)));
        Ok(found)
    }
}

/// Nobody could say afterwards who it was, or what a token is for, if two were the same.
fn check<'a>(all: impl Iterator<Item = &'a Found>) -> Result<(), String> {
    let mut secrets: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (variable, token) in all {
        if let Some(before) = secrets.insert(&token.secret, variable) {
            return Err(match before == *variable {
                true => format!("{variable} must not have the same secret twice"),
                false => format!("{variable} must not have a secret that {before} has, too"),
            });
        }
        if let Some(name) = &token.name
            && !names.insert(name)
        {
            return Err(format!(
                "{variable} must not give a token a name that another has"
            ));
        }
    }
    Ok(())
}

fn made(found: &[Found]) -> Result<Vec<Token>, String> {
    let made = found.iter().map(|(variable, token)| {
        let name = token.name.as_deref().unwrap_or(variable);
        let who = name.parse();
        let who = who.map_err(|why| format!("{variable}: a token's name {why}"))?;
        Ok(Token::new(who, &token.secret))
    });
    made.collect()
}

#[cfg(test)]
pub fn scene(read: &str, admin: &str, files: [Option<PathBuf>; 2]) -> All {
    let given = |text: &str| {
        (!text.is_empty())
            .then(|| Given::parse(text).ok())
            .flatten()
    };
    let [read_file, admin_file] = files;
    All {
        read: Places {
            variable: ("READ_TOKEN", given(read)),
            file: ("READ_TOKEN_FILE", read_file),
        },
        admin: Places {
            variable: ("ADMIN_TOKEN", given(admin)),
            file: ("ADMIN_TOKEN_FILE", admin_file),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn assembled(all: &All) -> Result<Tokens, String> {
        all.tokens(&mut Files::default(), &mut Faults::new())
    }

    #[test]
    fn a_variable_and_a_file_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, format!("ci:{OTHER}\n")).unwrap();
        let all = scene(&format!("anna:{ONE}"), "", [Some(file), None]);
        let tokens = assembled(&all).unwrap();
        assert!(tokens.guard_reads() && !tokens.allow_changes());
        let shown = format!("{tokens:?}");
        assert!(shown.contains("anna") && shown.contains("ci"), "{shown}");
        assert!(!shown.contains(ONE) && !shown.contains(OTHER), "{shown}");
    }

    #[test]
    fn a_token_without_a_name_is_known_by_its_setting() {
        let tokens = assembled(&scene("", &format!("{ONE},{OTHER}"), [None, None])).unwrap();
        assert!(tokens.allow_changes());
        assert_eq!(
            format!("{tokens:?}").matches("Token(ADMIN_TOKEN)").count(),
            2
        );
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let named = format!("anna:{ONE}");
        for (read, admin, sentence) in [
            (
                format!("{ONE},{ONE}"),
                String::new(),
                "READ_TOKEN must not have the same secret twice",
            ),
            (
                named.clone(),
                format!("bert:{ONE}"),
                "ADMIN_TOKEN must not have a secret that READ_TOKEN has, too",
            ),
            (
                named,
                format!("anna:{OTHER}"),
                "ADMIN_TOKEN must not give a token a name that another has",
            ),
        ] {
            let said = assembled(&scene(&read, &admin, [None, None])).unwrap_err();
            assert_eq!(said, sentence);
        }
    }

    #[test]
    fn a_file_that_is_of_no_use_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        for (content, sentence) in [
            (None, "ADMIN_TOKEN_FILE: the file does not exist"),
            (Some(" \n"), "ADMIN_TOKEN_FILE: the file is empty"),
            (
                Some("s3cret"),
                "ADMIN_TOKEN_FILE: the file must have a token",
            ),
        ] {
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let all = scene("", "", [None, Some(file.clone())]);
            let said = assembled(&all).unwrap_err();
            assert!(
                said.starts_with(sentence) && !said.contains("s3cret"),
                "{said}"
            );
        }
    }
}
