//! Which of a webhook's headers are kept: those that tell something about the event, and no secret.

use poem::http::{HeaderMap, HeaderName, header};
use source::Source;

/// Headers that are kept of one request, and their bytes as a JSON object.
const HEADERS_MAX: usize = 32;
const BYTES_MAX: usize = 8 * 1024;

/// Who is let in, and how the request came here.
const NEVER: [HeaderName; 14] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VIA,
    // It has a place of its own.
    header::CONTENT_TYPE,
];
/// How the request came here, too.
const NEVER_BEGINS: [&str; 3] = ["x-forwarded-", "proxy-", "keep-alive"];
/// What is a secret by its name, or made with one.
const SECRETS: [&str; 8] = [
    "signature",
    "hmac",
    "token",
    "secret",
    "verif-hash",
    "api-key",
    "apikey",
    "password",
];

/// The headers that are kept, as a JSON object of texts. Several of one name are one text, with commas between
/// (RFC 9110, section 5.3). One for which there is no room is left out.
pub(super) fn kept(source: &Source, headers: &HeaderMap) -> Option<String> {
    let mut json = String::new();
    let mut count = 0;
    for name in headers.keys().filter(|name| may_be_kept(source, name)) {
        let values = headers.get_all(name).into_iter();
        let texts = values.map(|value| std::str::from_utf8(value.as_bytes()));
        let texts: Option<Vec<_>> = texts.map(Result::ok).collect();
        let text = texts.map(|texts| texts.join(", "));
        let text = text.filter(|text| !text.contains(char::is_control));
        let Some(text) = text.and_then(|text| serde_json::to_string(&text).ok()) else {
            continue;
        };
        // `{`, and `}` at the end; or `,`.
        let member = format!("\"{name}\":{text}");
        if count < HEADERS_MAX && json.len() + member.len() + 2 <= BYTES_MAX {
            json.push(if count == 0 { '{' } else { ',' });
            json.push_str(&member);
            count += 1;
        }
    }
    json.push('}');
    (count > 0).then_some(json)
}

fn may_be_kept(source: &Source, name: &HeaderName) -> bool {
    let text = name.as_str();
    !NEVER.contains(name)
        && !NEVER_BEGINS.iter().any(|start| text.starts_with(start))
        && !SECRETS.iter().any(|word| text.contains(word))
        && !source.proves_by(text)
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;
    use source::{Credentials, Secret, Settings, Verify};

    use super::*;

    fn source(verify: Verify) -> Source {
        let settings = Settings {
            verify: Some(verify),
            id: Some("json:/id".into()),
            ..Settings::default()
        };
        let credentials = Credentials {
            secrets: vec![Secret::from("user:s3cret-enough")],
            ..Credentials::default()
        };
        Source::new(&settings, &credentials).unwrap()
    }

    fn of(verify: Verify, headers: &[(&str, &str)]) -> String {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        kept(&source(verify), &map).unwrap_or_default()
    }

    #[test]
    fn what_tells_about_the_event_is_kept() {
        let kept = of(
            Verify::Basic,
            &[
                ("User-Agent", "Acme/1.0"),
                ("X-Acme-Event", "paid"),
                ("X-Acme-Event", "again \"so\""),
                ("Idempotency-Key", "1"),
            ],
        );
        assert_eq!(
            kept,
            r#"{"user-agent":"Acme/1.0","x-acme-event":"paid, again \"so\"","idempotency-key":"1"}"#
        );
    }

    #[test]
    fn neither_a_secret_nor_how_it_came_is_kept() {
        let kept = of(
            Verify::Header("X-Acme-Pass".into()),
            &[
                ("X-Acme-Pass", "s3cret-enough"),
                ("Authorization", "Bearer s3cret"),
                ("Proxy-Authorization", "Basic s3cret"),
                ("Cookie", "session=s3cret"),
                ("X-Acme-Signature", "v1=s3cret"),
                ("X-Gitlab-Token", "s3cret"),
                ("X-Api-Key", "s3cret"),
                ("Verif-Hash", "s3cret"),
                ("X-Forwarded-For", "10.0.0.1"),
                ("Host", "example.com"),
                ("Content-Length", "2"),
                ("Connection", "close"),
            ],
        );
        assert_eq!(kept, "");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let many: Vec<_> = (0..100)
            .map(|n| (format!("x-{n}"), "v".to_owned()))
            .collect();
        let long = [("x-a".to_owned(), "v".repeat(BYTES_MAX))];
        let quotes = [("x-a".to_owned(), "\"".repeat(BYTES_MAX / 2 + 1))];
        for (headers, most) in [(&many[..], HEADERS_MAX), (&long, 0), (&quotes, 0)] {
            let headers: Vec<_> = headers
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let kept = of(Verify::Bearer, &headers);
            assert!(kept.len() <= BYTES_MAX);
            assert_eq!(kept.matches("\":\"").count(), most);
        }
    }

    #[test]
    fn what_is_no_text_is_not_kept() {
        let mut headers = HeaderMap::new();
        headers.insert("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
        headers.insert("x-b", HeaderValue::from_bytes("ü".as_bytes()).unwrap());
        let kept = kept(&source(Verify::Bearer), &headers);
        assert_eq!(kept.unwrap(), "{\"x-b\":\"ü\"}");
    }
}
