//! A PostgreSQL address: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE&…`, every part of it optional, as in
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>, but with one host.

use std::{net::Ipv6Addr, path::Path, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sea_orm::sqlx::postgres::PgConnectOptions;

use super::{
    checked::{Address, Place},
    parameters::Parameters,
    parts::{decode, pairs, without_effect},
    password_file::{Login, password},
};

/// Opening the first connection, unless `connect_timeout` says otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// And at most.
const CONNECT_WITHIN_MAX: Duration = Duration::from_secs(60);
/// Where servers have their socket: Debian's folder, Homebrew's, PostgreSQL's own.
const SOCKET_FOLDERS: &[&str] = &["/var/run/postgresql", "/private/tmp", "/tmp"];
const PORT: &str = "5432";

/// Reads what stands behind `postgres://`. What it leaves out is in `environment`, in the file of passwords, or as with
/// PostgreSQL's own programs: a socket of this machine or localhost, port 5432, this process's user, a database of the
/// user's name.
pub(super) fn parse(
    rest: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Address, String> {
    let mut given = Parameters::default();
    read(rest, &mut given)?;
    if given.get("host").is_some() && given.get("hostaddr").is_some() {
        return Err("must have either host or hostaddr".into());
    }
    given.fill_in(environment)?;

    let port = given.get("port").unwrap_or(PORT).to_owned();
    let host = match given.get("hostaddr").or(given.get("host")) {
        Some(host) => one_host(host)?,
        None => default_host(&port),
    };
    let user = match given.get("user") {
        Some(user) => user.to_owned(),
        None => PgConnectOptions::new_without_pgpass()
            .get_username()
            .to_owned(),
    };
    let database = given.get("dbname").unwrap_or(&user).to_owned();
    let ssl_mode = ssl_mode(&mut given, &host)?;
    let mut notes: Vec<String> = without_effect(&given.ignored).into_iter().collect();
    if given.get("password").is_none() {
        let login = Login {
            host: &host,
            port: &port,
            database: &database,
            user: &user,
        };
        match password(given.get("passfile"), &login) {
            Ok(Some(password)) => given.put("password", password),
            Ok(None) => {}
            Err(note) => notes.push(note),
        }
    }
    let url = url(&[
        ("host", Some(&host)),
        ("port", Some(&port)),
        ("user", Some(&user)),
        // An empty one is like none, and keeps the library from looking for one.
        ("password", Some(given.get("password").unwrap_or_default())),
        ("dbname", Some(&database)),
        ("sslmode", Some(&ssl_mode)),
        ("sslrootcert", given.get("sslrootcert")),
        ("sslcert", given.get("sslcert")),
        ("sslkey", given.get("sslkey")),
        ("options", given.get("options")),
    ]);
    Ok(Address {
        url,
        place: Place::Postgres {
            server: match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            },
            database,
            connect_within: connect_within(&given),
        },
        notes,
        filled_in: given.filled_in,
    })
}

fn connect_within(given: &Parameters) -> Duration {
    match given.get("connect_timeout").map(str::parse) {
        None => CONNECT_WITHIN,
        // For libpq that is no limit; nothing waits for ever here.
        Some(Ok(0) | Err(_)) => CONNECT_WITHIN_MAX,
        Some(Ok(seconds)) => Duration::from_secs(seconds).min(CONNECT_WITHIN_MAX),
    }
}

/// Takes an address apart.
fn read(rest: &str, given: &mut Parameters) -> Result<(), String> {
    if rest.contains('#') {
        return Err("must have %23 where it means #".into());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    if path.contains('@') || (login.is_empty() && authority.contains(':') && query.contains('@')) {
        return Err("must have %2F and %3F where a password has / and ?".into());
    }

    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    if !user.is_empty() {
        given.put("user", decode(user)?);
    }
    if let Some(password) = password {
        given.put("password", decode(password)?);
    }

    let (host, port) = host_and_port(place)?;
    if !host.is_empty() {
        given.put("host", decode(host)?);
    }
    if !port.is_empty() {
        given.read("port", port.to_owned())?;
    }

    let database = path.trim_matches('/');
    if database.contains('/') {
        return Err("must have nothing but the database behind the host".into());
    }
    if !database.is_empty() {
        given.put("dbname", decode(database)?);
    }

    for (name, value) in pairs(query)? {
        given.read(&name, value)?;
    }
    Ok(())
}

/// `HOST:PORT`, `[::1]:PORT`; either may be missing.
fn host_and_port(place: &str) -> Result<(&str, &str), String> {
    if place.contains(',') {
        return Err(several_hosts());
    }
    if let Some((host, rest)) = place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
        return match (address.parse::<Ipv6Addr>(), rest.strip_prefix(':')) {
            (Ok(_), Some(port)) => Ok((host, port)),
            (Ok(_), None) if rest.is_empty() => Ok((host, "")),
            _ => {
                Err("must have an IPv6 address in its brackets, and then a port or nothing".into())
            }
        };
    }
    let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
    match host.contains(':') {
        true => Err(
            "must have an IPv6 address in brackets, as [::1], and %3A where a user has :".into(),
        ),
        false => Ok((host, port)),
    }
}

/// The host of a parameter or a variable, where an IPv6 address may have its brackets or not.
fn one_host(host: &str) -> Result<String, String> {
    if host.contains(',') {
        return Err(several_hosts());
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok(bare.unwrap_or(host).to_owned())
}

fn several_hosts() -> String {
    "must have one host: that of the server that takes writes, or a name that leads to whichever does".into()
}

fn default_host(port: &str) -> String {
    let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    let folder = SOCKET_FOLDERS.iter().find(has_socket);
    folder.map_or("localhost", |folder| folder).to_owned()
}

/// How TLS is used.
fn ssl_mode(given: &mut Parameters, host: &str) -> Result<String, String> {
    let asked = given.get("sslmode").map(str::to_ascii_lowercase);
    // A socket of this machine, where there is no TLS, whatever an address asks for.
    if host.starts_with('/') {
        return Ok("disable".into());
    }
    if given.get("sslrootcert") != Some("system") {
        return Ok(asked.unwrap_or_else(|| "prefer".into()));
    }
    // As in libpq: anybody can have a certificate of a public authority, so the name must be checked.
    given.remove("sslrootcert");
    match asked.as_deref() {
        None | Some("verify-full") => Ok("verify-full".into()),
        Some(_) => Err("must have sslmode=verify-full beside sslrootcert=system".into()),
    }
}

/// All of it as parameters, each character that could mean something encoded.
fn url(parts: &[(&str, Option<&str>)]) -> String {
    let encode = |value| utf8_percent_encode(value, NON_ALPHANUMERIC);
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", encode(value))))
        .collect();
    format!("postgres:///?{}", parts.join("&"))
}
