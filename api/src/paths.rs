//! Where the API answers, and the one spelling of a path.

use std::borrow::Cow;

/// Where webhooks arrive.
pub(crate) const WEBHOOKS: &str = "/v1/webhooks/transactions";
/// Where balancers and orchestrators ask.
pub(crate) const HEALTH: [&str; 3] = ["/", "/healthz", "/readyz"];

/// Whether webhooks arrive at `path`, however its slashes are set.
pub(crate) fn is_for_webhooks(path: &str) -> bool {
    path == WEBHOOKS || tidy(path) == WEBHOOKS
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
    use super::tidy;

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
}
