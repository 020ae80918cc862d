//! The broker's address, `amqp[s]://USER:PASSWORD@HOST:PORT/VHOST?PARAMETERS`
//! (<https://www.rabbitmq.com/docs/uri-spec>, <https://www.rabbitmq.com/docs/uri-query-parameters>).
//!
//! What could be meant in two ways is refused: the client's own reading takes `localhost` for every host that it does not
//! understand, and a password would go there. In two points this is more generous than the specification. A `/` at the end is
//! the virtual host `/`, as without it, and not the one whose name is empty, which no broker has by itself. So is `//`.

use std::{net::Ipv6Addr, ops::RangeInclusive, time::Duration};

use lapin::uri::{
    AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism,
};
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Connecting, TLS and login included. An address may ask for less.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Seconds between heartbeats. The broker closes a silent connection after two to three of these, and
/// until then deals out messages to it as to any other, so this bounds how long a consumer that hangs
/// delays them. RabbitMQ's documentation recommends 5 to 20; without a word lapin takes the server's 60. An address may ask
/// for a shorter one.
pub(super) const HEARTBEAT_SECS: u16 = 5;
/// The longest name of a virtual host, an AMQP short string.
const VHOST_BYTES_MAX: usize = 255;
/// Bytes of a frame: RabbitMQ 4 wants to be able to send so many at the login.
const FRAME_MIN: u32 = 8192;
/// Channels: a consumer has many.
const CHANNELS_MIN: u16 = 64;
/// Milliseconds to connect in: whoever writes less has meant seconds.
const CONNECT_MIN_MS: u64 = 100;
/// A longer name of a parameter is none, and is not repeated.
const PARAMETER_BYTES_MAX: usize = 40;

/// An address that can be connected to. It holds a password: nothing but a test prints it.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) struct Url {
    pub(super) uri: AMQPUri,
    /// What does not count, in the order in which it was written.
    pub(super) ignored: Vec<Ignored>,
}

/// A parameter that does not count.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Ignored {
    /// Its name. Never its value.
    #[error("the parameter {0} is not known and does not count")]
    Unknown(String),
    /// See [`HEARTBEAT_SECS`].
    #[error(
        "heartbeat is {HEARTBEAT_SECS} s: with none, or a longer one, a dead connection would go unnoticed"
    )]
    Heartbeat,
    /// See [`CONNECT_WITHIN`].
    #[error("connection_timeout is {} ms: nobody waits longer", CONNECT_WITHIN.as_millis())]
    ConnectionTimeout,
}

/// What is wrong: the rest of a sentence that begins with the variable's name. Never what was written.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Refused {
    #[error("must begin with amqp:// or amqps://")]
    Scheme,
    #[error(
        "must have what is special in a user, a password or a virtual host percent-encoded: / as %2F, ? as %3F, # as %23, \
         @ as %40, % as %25, white space as %20"
    )]
    Special,
    #[error(
        "must name one host, a name, an IPv4 address or an IPv6 address in brackets: amqp://USER:PASSWORD@HOST:PORT/VHOST"
    )]
    Host,
    #[error("must have a port from 1 to 65535 after the host's colon, or neither")]
    Port,
    #[error(
        "must name one virtual host, of {VHOST_BYTES_MAX} bytes at most, with a slash within its name as %2F"
    )]
    VirtualHost,
    #[error("must have its parameters as ?NAME=VALUE&NAME=VALUE, each of them once")]
    Parameters,
    #[error("must begin with amqps://, and not have ssl or tls as a parameter, to be encrypted")]
    Encryption,
    #[error("must have a {0}")]
    Parameter(&'static str),
}

/// Checks an address. Says what would be right, as the rest of a sentence, and repeats nothing of it.
pub fn check(url: &str) -> Result<(), String> {
    let checked = parse(url);
    checked.map(drop).map_err(|refused| refused.to_string())
}

/// Reads an address.
pub(super) fn parse(url: &str) -> Result<Url, Refused> {
    let (scheme, authority, rest) = split(url).ok_or(Refused::Scheme)?;
    let scheme: AMQPScheme = scheme
        .to_ascii_lowercase()
        .parse()
        .map_err(|_| Refused::Scheme)?;
    if !is_clear(authority, rest) {
        return Err(Refused::Special);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (userinfo, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (userinfo(login)?, place),
        None => (AMQPUserInfo::default(), authority),
    };
    let (host, port) = host_and_port(place)?;
    let (parameters, ignored) = parameters(query, &scheme)?;
    Ok(Url {
        uri: AMQPUri {
            authority: AMQPAuthority {
                userinfo,
                host,
                port: port.unwrap_or(scheme.default_port()),
            },
            scheme,
            vhost: virtual_host(path)?,
            query: parameters,
        },
        ignored,
    })
}

/// Host, port and virtual host of an address, as they are written. Of one where they cannot be told from a password that is
/// not encoded, nothing.
pub fn place(url: &str) -> Option<&str> {
    let (_, authority, rest) = split(url)?;
    if !is_clear(authority, rest) {
        return None;
    }
    let from = authority.rfind('@').map_or(0, |at| at + 1);
    let (_, place) = url.split_at(url.len() - authority.len() - rest.len() + from);
    place.split('?').next()
}

/// The scheme, what stands before the first `/` or `?`, and the rest.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some((scheme, authority, rest))
}

/// Whether it can be told where the login ends. Behind an @ in the rest comes the host, and what was taken for it is a part
/// of the password.
fn is_clear(authority: &str, rest: &str) -> bool {
    !is_special(authority) && !is_special(rest) && !rest.contains('@')
}

/// Whether there is anything that a URL never has as it is.
fn is_special(text: &str) -> bool {
    text.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control())
}

/// A user without a password has an empty one.
fn userinfo(text: &str) -> Result<AMQPUserInfo, Refused> {
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    Ok(AMQPUserInfo {
        username: decoded(username)?,
        password: decoded(password)?,
    })
}

/// The host without brackets, and its port if there is one.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), Refused> {
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => {
            let (address, port) = text.split_once(']').ok_or(Refused::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| Refused::Host)?;
            (address.to_string(), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_name) {
                return Err(Refused::Host);
            }
            (host.to_owned(), port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    match port.strip_prefix(':') {
        Some(port) if !port.contains(':') => match number(port) {
            Some(port @ 1..) => Ok((host, Some(port))),
            _ => Err(Refused::Port),
        },
        // An IPv6 address without brackets, or something behind one with them.
        _ => Err(Refused::Host),
    }
}

fn virtual_host(path: &str) -> Result<String, Refused> {
    let name = match path.strip_prefix('/').unwrap_or("") {
        "" | "/" => return Ok("/".into()),
        name => name,
    };
    let vhost = decoded(name)?;
    match name.contains('/') || vhost.len() > VHOST_BYTES_MAX {
        true => Err(Refused::VirtualHost),
        false => Ok(vhost),
    }
}

fn decoded(text: &str) -> Result<String, Refused> {
    let mut escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| {
        let digits = rest.bytes().take(2).filter(u8::is_ascii_hexdigit);
        digits.count() == 2
    };
    if !escapes.all(is_escape) {
        return Err(Refused::Special);
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Refused::Special)?;
    match decoded.contains(char::is_control) {
        // The line break at the end of a file that was encoded as a whole, most likely.
        true => Err(Refused::Special),
        false => Ok(decoded.into_owned()),
    }
}

fn parameters(text: &str, scheme: &AMQPScheme) -> Result<(AMQPQueryString, Vec<Ignored>), Refused> {
    let mut parameters = AMQPQueryString::default();
    let mut ignored = Vec::new();
    let mut names = Vec::new();
    for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or(Refused::Parameters)?;
        if names.contains(&name) || !is_parameter(name) {
            return Err(Refused::Parameters);
        }
        names.push(name);
        match name {
            "heartbeat" => match whole(value, 0..=u16::MAX, "heartbeat of whole seconds")? {
                seconds @ 1..=HEARTBEAT_SECS => parameters.heartbeat = Some(seconds),
                _ => ignored.push(Ignored::Heartbeat),
            },
            "connection_timeout" => {
                let range = CONNECT_MIN_MS..=u64::MAX;
                match whole(
                    value,
                    range,
                    "connection_timeout of 100 milliseconds or more",
                )? {
                    long if u128::from(long) > CONNECT_WITHIN.as_millis() => {
                        ignored.push(Ignored::ConnectionTimeout);
                    }
                    ms => parameters.connection_timeout = Some(ms),
                }
            }
            "channel_max" => {
                let channels = whole(value, 0..=u16::MAX, "channel_max that is a number")?;
                if (1..CHANNELS_MIN).contains(&channels) {
                    return Err(Refused::Parameter("channel_max of 64 or more, or 0"));
                }
                parameters.channel_max = Some(channels);
            }
            "frame_max" => {
                let bytes = whole(value, 0..=u32::MAX, "frame_max that is a number")?;
                if (1..FRAME_MIN).contains(&bytes) {
                    return Err(Refused::Parameter("frame_max of 8192 bytes or more, or 0"));
                }
                parameters.frame_max = Some(bytes);
            }
            "auth_mechanism" => parameters.auth_mechanism = Some(mechanism(value)?),
            "ssl" | "tls" | "ssl_options" if *scheme == AMQPScheme::AMQP => {
                return Err(Refused::Encryption);
            }
            unknown => ignored.push(Ignored::Unknown(unknown.to_owned())),
        }
    }
    Ok((parameters, ignored))
}

/// Whether this can be the name of a parameter, and not a part of something secret.
fn is_parameter(name: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=PARAMETER_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_of_names)
}

/// Those that need no more than a user and a password.
fn mechanism(name: &str) -> Result<SASLMechanism, Refused> {
    match name.parse() {
        Ok(mechanism @ (SASLMechanism::Plain | SASLMechanism::AMQPlain)) => Ok(mechanism),
        _ => Err(Refused::Parameter("auth_mechanism of PLAIN or AMQPLAIN")),
    }
}

/// A number within `range`, which is `right`.
fn whole<T: std::str::FromStr + PartialOrd>(
    text: &str,
    range: RangeInclusive<T>,
    right: &'static str,
) -> Result<T, Refused> {
    let number = number(text).filter(|number| range.contains(number));
    number.ok_or(Refused::Parameter(right))
}

/// Digits alone: a `+` before them is none.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests;
