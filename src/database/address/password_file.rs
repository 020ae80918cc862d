//! The file of passwords, `~/.pgpass` (<https://www.postgresql.org/docs/current/libpq-pgpass.html>). The library reads it,
//! too, but writes a line that it does not understand into the log, password and all.

use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::PathBuf};

/// Whose password is looked for.
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: &'a str,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password that the file has for this login, if it is there and has one; or what is wrong with the file.
pub(super) fn password(file: Option<&str>, login: &Login<'_>) -> Result<Option<String>, String> {
    let home = || std::env::home_dir().map(|home| home.join(".pgpass"));
    let Some(path) = file.map(PathBuf::from).or_else(home) else {
        return Ok(None);
    };
    let Ok(mut file) = File::open(&path) else {
        return Ok(None);
    };
    let is_private = file
        .metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o077 == 0);
    if !is_private {
        return Err(format!(
            "without effect: {}, as others may read it (chmod 600)",
            path.display()
        ));
    }
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) => Ok(find(&text, login)),
        Err(_) => Err(format!(
            "without effect: {}, as it cannot be read",
            path.display()
        )),
    }
}

/// The first line that fits: `HOST:PORT:DATABASE:USER:PASSWORD`, where `*` fits anything.
fn find(text: &str, login: &Login<'_>) -> Option<String> {
    // By whichever socket the server of this machine is reached, it is localhost.
    let host = match login.host.starts_with('/') {
        true => "localhost",
        false => login.host,
    };
    let wanted = [host, login.port, login.database, login.user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(fields)
        .find(|fields| {
            let fits = |(field, wanted): (&String, &&str)| field == "*" || field == *wanted;
            fields.len() == 5 && fields.iter().zip(&wanted).all(fits)
        })
        .and_then(|mut fields| fields.pop())
}

/// The fields between the colons; `\` before a colon, or before itself, takes their meaning away.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let is_last = fields.len() == 5;
        match (c, fields.last_mut()) {
            (':', _) if !is_last => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(chars.next()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{Login, find, password};

    const LOGIN: Login<'_> = Login {
        host: "db.example",
        port: "5432",
        database: "hookline",
        user: "me",
    };

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        for (text, password) in [
            ("db.example:5432:hookline:me:right", Some("right")),
            ("*:*:*:*:right", Some("right")),
            (
                "# db.example:5432:hookline:me:wrong\n*:*:*:me:right",
                Some("right"),
            ),
            (
                "db.example:5432:hookline:me:first\n*:*:*:*:second",
                Some("first"),
            ),
            ("*:*:*:me:with:colons", Some("with:colons")),
            (r"*:*:*:me:a\:b\\c", Some(r"a:b\c")),
            ("db.example:5433:hookline:me:wrong", None),
            ("db.example:5432:hookline:you:wrong", None),
            ("no line of this kind\n\n:::", None),
        ] {
            assert_eq!(find(text, &LOGIN).as_deref(), password, "{text}");
        }
    }

    #[test]
    fn a_socket_is_localhost() {
        let login = Login {
            host: "/var/run/postgresql",
            ..LOGIN
        };
        let found = find("localhost:5432:hookline:me:right", &login);
        assert_eq!(found.as_deref(), Some("right"));
    }

    #[test]
    fn a_file_that_others_may_read_has_no_effect_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords");
        fs::write(&file, "*:*:*:*:hunter2").unwrap();
        let path = file.to_str();
        let set_mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        set_mode(0o600);
        let found = password(path, &LOGIN).unwrap();
        assert_eq!(found.as_deref(), Some("hunter2"));
        set_mode(0o640);
        let note = password(path, &LOGIN).unwrap_err();
        assert!(
            note.contains("passwords") && !note.contains("hunter2"),
            "{note}"
        );
        assert_eq!(password(Some("/nonexistent"), &LOGIN), Ok(None));
    }
}
