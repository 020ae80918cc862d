//! Where the API answers, and the one spelling of a path.

use std::borrow::Cow;

use entity::name::BUILT_IN;

/// Where the built-in source's webhooks arrive.
pub(crate) const WEBHOOKS: &str = "/v1/webhooks/transactions";
/// Where those of all others do, as it is documented.
pub(crate) const OF_A_SOURCE: &str = "/v1/webhooks/{source}";
/// Before the name of each source.
const SOURCES: &str = "/v1/webhooks/";
/// Where balancers and orchestrators ask.
pub(crate) const HEALTH: [&str; 3] = ["/", "/healthz", "/readyz"];

/// The source whose webhooks arrive at `path`, however its slashes are set; as the path spells it. Whether there is such a
/// source is not asked.
pub(crate) fn source(path: &str) -> Option<Cow<'_, str>> {
    if path == WEBHOOKS {
        return Some(BUILT_IN.into());
    }
    match tidy(path) {
        Cow::Borrowed(path) => tidy_source(path).map(Cow::Borrowed),
        Cow::Owned(path) => tidy_source(&path).map(|name| Cow::Owned(name.to_owned())),
    }
}

/// The same, of a path that has one spelling.
pub(crate) fn tidy_source(path: &str) -> Option<&str> {
    let name = path.strip_prefix(SOURCES)?;
    let is_name = !name.is_empty() && !name.contains('/');
    is_name.then_some(name)
}

/// The methods that a path answers to which is no way in for webhooks.
pub(crate) fn methods(path: &str) -> &'static str {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["v1", "transactions", _, "retry" | "replay" | "give-up"]
        | [
            "v1",
            "sources",
            _,
            "transactions",
            _,
            "retry" | "replay" | "give-up",
        ]
        | ["v1", "retries", _, "pause" | "resume"] => "POST, OPTIONS",
        ["v1", "retries" | "pauses"] => "GET, HEAD, POST, OPTIONS",
        ["v1", "retries", _] => "GET, HEAD, DELETE, OPTIONS",
        ["v1", "pauses", _] => "DELETE, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    }
}

/// A path without empty segments: clients put slashes together from a base and a path.
pub(crate) fn tidy(path: &str) -> Cow<'_, str> {
    if !path.contains("//") && (path == "/" || !path.ends_with('/')) {
        return path.into();
    }
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let mut tidied = String::with_capacity(path.len());
    for segment in segments {
        tidied.push('/');
        tidied.push_str(segment);
    }
    if tidied.is_empty() {
        tidied.push('/');
    }
    tidied.into()
}

#[cfg(test)]
mod tests {
    use super::{WEBHOOKS, source, tidy};

    #[test]
    fn a_path_has_one_spelling() {
        for (spelled, path) in [
            ("/", "/"),
            ("//", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("//a///b//", "/a/b"),
            ("/a%2F/", "/a%2F"),
            ("*", "*"),
        ] {
            assert_eq!(tidy(spelled), path, "{spelled}");
        }
    }

    #[test]
    fn a_path_of_webhooks_names_a_source() {
        for (path, name) in [
            (WEBHOOKS, Some("transactions")),
            ("//v1/webhooks//transactions/", Some("transactions")),
            ("/v1/webhooks/stripe", Some("stripe")),
            ("/v1/webhooks/stripe/", Some("stripe")),
            ("/v1/webhooks/str%69pe", Some("str%69pe")),
            ("/v1/webhooks", None),
            ("/v1/webhooks/", None),
            ("/v1/webhooks/a/b", None),
            ("/v1/transactions/stripe", None),
            ("*", None),
        ] {
            assert_eq!(source(path).as_deref(), name, "{path}");
        }
    }
}
