//! Where downstream is, and how to log in there.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::{
    Uri,
    header::HeaderValue,
    http::uri::{Authority, Scheme},
};
use percent_encoding::percent_decode_str;

use super::error::Error;

pub(super) struct Address {
    /// Without the user and the password.
    pub(super) uri: Uri,
    /// The user and the password, if the URL has them.
    pub(super) authorization: Option<HeaderValue>,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let mut parts = url.parse::<Uri>().map_err(|_| Error::Url)?.into_parts();
        let scheme = parts.scheme.as_ref();
        if !scheme.is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme)) {
            return Err(Error::Url);
        }
        let authority = parts.authority.ok_or(Error::Url)?;
        let (login, place) = match authority.as_str().rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority.as_str()),
        };
        let authorization = login.map(basic).transpose()?;
        let place: Authority = place.parse().map_err(|_| Error::Url)?;
        check(&place)?;
        parts.authority = Some(place);
        let uri = Uri::from_parts(parts).map_err(|_| Error::Url)?;
        Ok(Self { uri, authorization })
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// A name or an IP address, the latter without brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(host)
    }

    pub(super) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(self.usual_port())
    }

    /// What the request's `host` header says: the port is left out where it goes without saying.
    pub(super) fn host_header(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        match self.port() {
            port if port == self.usual_port() => host.to_owned(),
            port => format!("{host}:{port}"),
        }
    }

    /// What the request's first line asks for: no place, a path and perhaps a query (RFC 9112, section
    /// 3.2.1).
    pub(super) fn target(&self) -> Uri {
        (self.uri.path_and_query()).map_or_else(Uri::default, |target| target.clone().into())
    }

    /// Without what may be secret: the query, beside the login.
    pub(super) fn url(&self) -> String {
        let scheme = if self.is_https() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host_header(), self.uri.path())
    }

    fn usual_port(&self) -> u16 {
        if self.is_https() { 443 } else { 80 }
    }
}

fn check(place: &Authority) -> Result<(), Error> {
    if place.host().is_empty() {
        return Err(Error::Url);
    }
    // To the library a port that is none is no port, and the scheme's own would be taken, silently.
    let has_port = place.as_str() != place.host();
    if has_port && matches!(place.port_u16(), None | Some(0)) {
        return Err(Error::Port);
    }
    Ok(())
}

/// RFC 7617.
fn basic(login: &str) -> Result<HeaderValue, Error> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut plain: Vec<u8> = percent_decode_str(user).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let value = format!("Basic {}", BASE64_STANDARD.encode(plain));
    let mut value = HeaderValue::try_from(value).map_err(|_| Error::Url)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_posted_to_is_refused_without_being_repeated() {
        for url in [
            "",
            "localhost",
            "localhost:8080",
            "/hook",
            "ftp://hunter2.example/",
            "http://",
            "http:///hunter2",
            "http://:80/hunter2",
            "http://user:hunter2@/",
            "http://exämple.hunter2/",
            "http://hunter2.example/a b",
            "https//hunter2.example",
        ] {
            let error = Address::parse(url).err();
            assert_eq!(error, Some(Error::Url), "{url}");
        }
        for url in [
            "http://a.example:0/",
            "http://a.example:65536/",
            "http://a.example:/",
        ] {
            assert_eq!(Address::parse(url).err(), Some(Error::Port), "{url}");
        }
        for error in [Error::Url, Error::Port, Error::Certificates] {
            assert!(error.to_string().starts_with("PROCESS_URL must "));
        }
    }

    #[test]
    fn a_url_keeps_its_place_its_path_and_its_query() {
        for url in [
            "http://localhost/",
            "http://[::1]:8080/hook?a=b%20c",
            "https://a.example:8443/",
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.uri.to_string(), url);
            assert_eq!(address.authorization, None);
        }
        assert!(Address::parse("https://a.example").unwrap().is_https());
        assert!(!Address::parse("http://a.example").unwrap().is_https());
    }

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        for (url, host, port, host_header, target) in [
            ("http://a.example", "a.example", 80, "a.example", "/"),
            ("http://a.example:80/", "a.example", 80, "a.example", "/"),
            (
                "https://a.example:443/b",
                "a.example",
                443,
                "a.example",
                "/b",
            ),
            (
                "https://a.example:80/b?c",
                "a.example",
                80,
                "a.example:80",
                "/b?c",
            ),
            ("http://[::1]:8080/?a=b", "::1", 8080, "[::1]:8080", "/?a=b"),
            ("https://[::1]?a=b", "::1", 443, "[::1]", "/?a=b"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{url}");
            assert_eq!(address.host_header(), host_header, "{url}");
            assert_eq!(address.target().to_string(), target, "{url}");
        }
    }

    #[test]
    fn a_user_and_a_password_leave_the_url_and_become_basic_authorization() {
        let address = Address::parse("https://us%20er:p%40ss%3Aw%C3%B6rd@a.example/hook").unwrap();
        assert_eq!(address.uri.to_string(), "https://a.example/hook");
        let secret = Address::parse("https://us:pw@a.example:8443/hook?key=secret").unwrap();
        assert_eq!(secret.url(), "https://a.example:8443/hook");
        // printf 'us er:p@ss:wörd' | base64
        let authorization = address.authorization.unwrap();
        assert_eq!(authorization, "Basic dXMgZXI6cEBzczp3w7ZyZA==");
        assert!(!format!("{authorization:?}").contains("dXMg"));
    }
}
