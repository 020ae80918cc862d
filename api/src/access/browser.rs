//! What a browser says of the page that asks, and of the name it asks for. Other programs say whatever they like; they have
//! nobody's rights but their own.

use std::net::IpAddr;

use poem::http::{HeaderMap, HeaderName, header};

/// Where the page is that asks, as browsers see it (<https://www.w3.org/TR/fetch-metadata/>). No page can set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page asks that is not one of ours. Whoever is no browser says nothing of pages.
pub(super) fn is_of_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let origin = origin.to_str().ok();
    let authority = origin.and_then(|origin| {
        let with_scheme = ["http://", "https://"].into_iter();
        let mut rest = with_scheme.filter_map(|scheme| origin.strip_prefix(scheme));
        rest.next()
    });
    authority.is_none() || authority != host(headers)
}

/// Whether the name that is asked for is one that only this machine, or its own network, gives a meaning to. A page whose
/// site has its name resolved to this machine (DNS rebinding) asks for that name; a request without one is no browser's.
pub(super) fn asks_this_machine(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::HOST) {
        return true;
    }
    let Some(host) = host(headers) else {
        return false;
    };
    if let Some(v6) = host.strip_prefix('[') {
        return v6.contains(']');
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || last.eq_ignore_ascii_case("localhost")
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn headers(given: &[(HeaderName, &'static str)]) -> HeaderMap {
        let given = given.iter();
        let given = given.map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        given.collect()
    }

    #[test]
    fn a_page_of_another_site_is_known_by_what_its_browser_says() {
        use header::{HOST, ORIGIN};
        const HERE: (HeaderName, &str) = (HOST, "127.0.0.1:8000");
        for (given, is_other) in [
            (vec![], false),
            (vec![(ORIGIN, "http://127.0.0.1:8000")], false),
            (vec![(ORIGIN, "https://127.0.0.1:8000")], false),
            (vec![(ORIGIN, "http://127.0.0.1:8001")], true),
            (vec![(ORIGIN, "http://127.0.0.1")], true),
            (vec![(ORIGIN, "https://evil.example")], true),
            (vec![(ORIGIN, "127.0.0.1:8000")], true),
            (vec![(ORIGIN, "null")], true),
            (vec![(SEC_FETCH_SITE, "same-origin")], false),
            (vec![(SEC_FETCH_SITE, "none")], false),
            (vec![(SEC_FETCH_SITE, "same-site")], true),
            (vec![(SEC_FETCH_SITE, "cross-site")], true),
            (vec![(SEC_FETCH_SITE, "")], true),
            // A proxy has another name than the one that the browser asked for, and the browser knows better.
            (
                vec![
                    (SEC_FETCH_SITE, "same-origin"),
                    (ORIGIN, "https://hooks.example"),
                ],
                false,
            ),
            (
                vec![
                    (SEC_FETCH_SITE, "cross-site"),
                    (ORIGIN, "http://127.0.0.1:8000"),
                ],
                true,
            ),
        ] {
            let mut given = headers(&given);
            given.insert(HERE.0, HeaderValue::from_static(HERE.1));
            assert_eq!(is_of_another_site(&given), is_other, "{given:?}");
        }
        let without_host = headers(&[(ORIGIN, "http://127.0.0.1:8000")]);
        assert!(is_of_another_site(&without_host));
    }

    #[test]
    fn a_name_of_the_internet_is_not_this_machine() {
        assert!(asks_this_machine(&HeaderMap::new()));
        for (host, is_here) in [
            ("127.0.0.1:8000", true),
            ("127.0.0.1", true),
            ("[::1]:8000", true),
            ("localhost:8000", true),
            ("LOCALHOST", true),
            ("hooks.localhost:8000", true),
            ("hookline", true),
            ("localhost.", true),
            ("evil.example:8000", false),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("", true),
        ] {
            let given = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            assert_eq!(asks_this_machine(&given), is_here, "{host}");
        }
        let odd = HeaderValue::from_bytes(b"ev\xffil.example").unwrap();
        assert!(!asks_this_machine(&HeaderMap::from_iter([(
            header::HOST,
            odd
        )])));
    }
}
