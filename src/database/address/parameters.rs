//! The parameters behind the `?` of a PostgreSQL address, by the names that libpq gives them
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).

use std::{collections::BTreeMap, net::IpAddr};

const SSL_MODES: &[&str] = &[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// PostgreSQL's variables and the parameters that they stand in for.
const VARIABLES: &[(&str, &str)] = &[
    ("PGHOSTADDR", "hostaddr"),
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGGSSENCMODE", "gssencmode"),
];

/// What an address says, parameter by parameter.
#[derive(Default)]
pub(super) struct Parameters {
    values: BTreeMap<&'static str, String>,
    /// Names of what has no effect.
    pub(super) ignored: Vec<String>,
    /// Variables that filled something in.
    pub(super) filled_in: Vec<&'static str>,
}

impl Parameters {
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.insert(name, value.into());
    }

    pub(super) fn remove(&mut self, name: &'static str) {
        self.values.remove(name);
    }

    /// Takes a parameter of the address. A later one overrides an earlier one, as in libpq.
    pub(super) fn read(&mut self, name: &str, value: String) -> Result<(), String> {
        if let Some(setting) = name
            .strip_prefix("options[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            // The form of the library: options[search_path]=app.
            let value = value.replace('\\', r"\\").replace(' ', r"\ ");
            self.add_option(&format!("-c {setting}={value}"));
            return Ok(());
        }
        match judge(name, &value) {
            // Whoever writes a form's encoding has + for the blank in it.
            Ok(Use::As("options")) => self.add_option(&value.replace('+', " ")),
            Ok(Use::As(name)) => self.put(name, value),
            Ok(Use::Nothing) => {}
            Ok(Use::Ignored) => self.ignored.push(name.to_owned()),
            Err(Refused::Value(right)) => return Err(format!("must have as {name} {right}")),
            Err(Refused::Name(instead)) => {
                return Err(format!("must have {instead} instead of {name}"));
            }
        }
        Ok(())
    }

    /// Fills in what the address leaves out. PGOPTIONS is not among it: the library takes that by itself.
    pub(super) fn fill_in(
        &mut self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        for &(variable, name) in VARIABLES {
            let is_there = match name {
                "host" | "hostaddr" => self.get("host").or(self.get("hostaddr")).is_some(),
                _ => self.get(name).is_some(),
            };
            let Some(value) = environment(variable).filter(|_| !is_there) else {
                continue;
            };
            let leaves = |right| format!("leaves {name} to {variable}, which must be {right}");
            match judge(name, &value) {
                // The library reads this variable, too, and would look for a file of that name.
                Ok(Use::As("sslrootcert")) if value == "system" => return Err(leaves("a file")),
                Ok(Use::As(name)) => self.put(name, value),
                Ok(Use::Nothing) => continue,
                Ok(Use::Ignored) => {
                    self.ignored.push(variable.to_owned());
                    continue;
                }
                Err(Refused::Value(right) | Refused::Name(right)) => return Err(leaves(right)),
            }
            self.filled_in.push(variable);
        }
        if environment("PGOPTIONS").is_some() {
            self.filled_in.push("PGOPTIONS");
        }
        Ok(())
    }

    fn add_option(&mut self, option: &str) {
        let options = self.values.entry("options").or_default();
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str(option);
    }
}

/// What becomes of a parameter.
enum Use {
    /// It counts, under this name.
    As(&'static str),
    /// It asks for what is so anyway, and is passed over.
    Nothing,
    /// It has no effect, which a warning says.
    Ignored,
}

/// Why a parameter is refused.
enum Refused {
    /// Its value must be this.
    Value(&'static str),
    /// This is how to write what it means.
    Name(&'static str),
}

fn judge(name: &str, value: &str) -> Result<Use, Refused> {
    let one_of = |right: &[&str]| right.contains(&value.to_ascii_lowercase().as_str());
    let only = |fits, right| match fits {
        true => Ok(Use::Nothing),
        false => Err(Refused::Value(right)),
    };
    let used = |fits, name, right| match fits {
        true => Ok(Use::As(name)),
        false => Err(Refused::Value(right)),
    };
    match name {
        "host" => Ok(Use::As("host")),
        "user" => Ok(Use::As("user")),
        "password" => Ok(Use::As("password")),
        "passfile" => Ok(Use::As("passfile")),
        "dbname" => Ok(Use::As("dbname")),
        "options" => Ok(Use::As("options")),
        "sslrootcert" | "ssl-root-cert" | "ssl-ca" => Ok(Use::As("sslrootcert")),
        "sslcert" | "ssl-cert" => Ok(Use::As("sslcert")),
        "sslkey" | "ssl-key" => Ok(Use::As("sslkey")),
        "hostaddr" => used(value.parse::<IpAddr>().is_ok(), "hostaddr", "an IP address"),
        "port" => used(
            value.parse::<u16>().is_ok_and(|port| port > 0),
            "port",
            "a port, from 1 to 65535",
        ),
        "sslmode" | "ssl-mode" => used(
            one_of(SSL_MODES),
            "sslmode",
            "one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        "connect_timeout" => used(
            value.parse::<u32>().is_ok(),
            "connect_timeout",
            "a whole number of seconds",
        ),
        // Commits and /readyz find out by themselves whether the server takes writes.
        "target_session_attrs" => only(
            one_of(&["any", "read-write", "primary"]),
            "one of any, read-write, primary, as webhooks are written",
        ),
        "gssencmode" => only(one_of(&["disable", "prefer"]), "one of disable, prefer"),
        "sslnegotiation" => only(one_of(&["postgres"]), "postgres"),
        "sslcertmode" => only(one_of(&["disable", "allow"]), "one of disable, allow"),
        // The TLS of this binary begins there.
        "ssl_min_protocol_version" => only(
            one_of(&["tlsv1", "tlsv1.1", "tlsv1.2"]),
            "one of TLSv1, TLSv1.1, TLSv1.2",
        ),
        // Providers have it in their addresses; the library cannot do it.
        "channel_binding" if one_of(&["require"]) => Ok(Use::Ignored),
        "channel_binding" => only(
            one_of(&["disable", "prefer"]),
            "one of disable, prefer, require",
        ),
        // A hint for other clients that there is a pooler; what that one does is found out at the start.
        "pgbouncer" | "sslsni" | "sslcompression" => Ok(Use::Nothing),
        _ => judge_unknown(&name.to_ascii_lowercase()),
    }
}

/// One that may ask for protection, or for other tables, is not passed over.
fn judge_unknown(name: &str) -> Result<Use, Refused> {
    let names_schema = name.contains("schema") || matches!(name, "search_path" | "searchpath");
    match name {
        "sslpassword" => Err(Refused::Name("an sslkey that needs no password")),
        "service" => Err(Refused::Name("host, user and database")),
        _ if names_schema => Err(Refused::Name("options=-c%20search_path%3DSCHEMA")),
        _ if ["ssl", "tls", "encrypt", "require"]
            .iter()
            .any(|part| name.contains(part)) =>
        {
            Err(Refused::Name("sslmode=require or sslmode=verify-full"))
        }
        _ => Ok(Use::Ignored),
    }
}
