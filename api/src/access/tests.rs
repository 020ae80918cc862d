//! Whom which headers open which door.

use poem::{
    Body,
    http::{HeaderValue, Method},
};
use serde_json::Value;

use super::*;
use crate::scene::service::{Service, request, sender};

const READ: &str = "a-secret-for-reading";
const OLD: &str = "an-older-secret-for-reading";
const ADMIN: &str = "a-secret-for-everything";

fn access(read: &[(&str, &str)], admin: &[(&str, &str)], address: &str) -> Access {
    let tokens = |given: &[(&str, &str)]| {
        let given = given.iter();
        given
            .map(|(name, secret)| Token::new(name.parse().unwrap(), secret))
            .collect()
    };
    let tokens = Tokens::new(tokens(read), tokens(admin), Vec::new());
    let (_, tokens) = watch::channel(Arc::new(tokens));
    Access::new(tokens, address.parse().ok())
}

fn guarded() -> Access {
    access(
        &[("grafana", READ), ("older", OLD)],
        &[("anna", ADMIN)],
        "0.0.0.0",
    )
}

fn authorization(value: &str) -> HeaderMap {
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

fn bearer_of(secret: &str) -> HeaderMap {
    authorization(&format!("Bearer {secret}"))
}

#[test]
fn each_token_opens_what_it_is_for() {
    let access = guarded();
    for secret in [READ, OLD] {
        assert_eq!(access.may_read(&bearer_of(secret)), Ok(()));
        let refused = access.may_change(&bearer_of(secret));
        assert_eq!(refused, Err(Denied::ReadsOnly));
    }
    assert_eq!(access.may_read(&bearer_of(ADMIN)), Ok(()));
    let who = access.may_change(&bearer_of(ADMIN)).unwrap();
    assert_eq!(who.as_ref(), "anna");
}

#[test]
fn what_is_no_token_of_ours_opens_nothing() {
    let access = guarded();
    for (given, why) in [
        (HeaderMap::new(), Denied::NoToken),
        (authorization(""), Denied::NoToken),
        (authorization("Bearer"), Denied::NoToken),
        (authorization(READ), Denied::NoToken),
        (authorization(&format!("Basic {READ}")), Denied::NoToken),
        (authorization("Bearer "), Denied::UnknownToken),
        (bearer_of(&READ[1..]), Denied::UnknownToken),
        (bearer_of(&format!("{READ}x")), Denied::UnknownToken),
        (bearer_of(&READ.to_uppercase()), Denied::UnknownToken),
        (bearer_of(&format!("grafana:{READ}")), Denied::UnknownToken),
        (bearer_of("\u{fc}ber-token-of-16"), Denied::NoToken),
    ] {
        assert_eq!(access.may_read(&given), Err(why), "{given:?}");
        assert_eq!(access.may_change(&given), Err(why), "{given:?}");
    }
    let mut twice = bearer_of(ADMIN);
    twice.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert_eq!(access.may_read(&twice), Err(Denied::NoToken));
}

#[test]
fn the_scheme_is_read_in_any_case() {
    let given = authorization(&format!("bEARER  {READ} "));
    assert_eq!(guarded().may_read(&given), Ok(()));
}

#[test]
fn without_tokens_reads_are_open_and_changes_are_not() {
    for address in ["127.0.0.1", "0.0.0.0"] {
        let access = access(&[], &[], address);
        for given in [HeaderMap::new(), bearer_of(READ)] {
            assert_eq!(access.may_read(&given), Ok(()));
            assert_eq!(access.may_change(&given), Err(Denied::NobodyMay));
        }
    }
    // An admin's token closes nothing.
    let access = access(&[], &[("anna", ADMIN)], "127.0.0.1");
    assert_eq!(access.may_read(&HeaderMap::new()), Ok(()));
    assert_eq!(
        access.may_change(&HeaderMap::new()),
        Err(Denied::NoToken),
        "but changes need it"
    );
}

#[test]
fn a_page_of_another_site_does_nothing_even_with_a_token() {
    let mut given = bearer_of(ADMIN);
    given.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(guarded().may_change(&given), Err(Denied::AnotherSite));
}

#[test]
fn what_is_open_to_this_machine_is_not_open_to_a_page_that_pretends_to_be_on_it() {
    let host = HeaderValue::from_static("rebound.example:8000");
    let mut given = HeaderMap::from_iter([(header::HOST, host)]);
    let here = access(&[], &[], "127.0.0.1");
    assert_eq!(here.may_read(&given), Err(Denied::AnotherName));
    // Elsewhere any name may be the machine's.
    assert_eq!(access(&[], &[], "0.0.0.0").may_read(&given), Ok(()));
    // And a token is one under any name.
    given.extend(bearer_of(READ));
    let here = access(&[("grafana", READ)], &[], "127.0.0.1");
    assert_eq!(here.may_read(&given), Ok(()));
}

#[test]
fn no_secret_is_shown() {
    let tokens = Tokens::new(
        vec![Token::new("grafana".parse().unwrap(), READ)],
        Vec::new(),
        Vec::new(),
    );
    let shown = format!("{tokens:?}");
    assert!(shown.contains("grafana") && !shown.contains(READ) && !shown.contains("digest"));
}

/// Every operation of the document: its method, a path that it has, and the schemes that it names.
fn operations() -> Vec<(Method, String, Vec<String>)> {
    let document: Value = serde_json::from_str(&crate::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{source}", "stripe");
        let path = path.replace("{transaction_id}", "t1");
        let path = path.replace("{paused}", "stripe");
        let path = path.replace("{id}", "018d0cba-e040-7000-8000-000000000000");
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let schemes = operation["security"].as_array().into_iter().flatten();
            let schemes = schemes.flat_map(|scheme| scheme.as_object().unwrap().keys().cloned());
            all.push((method, path.clone(), schemes.collect()));
        }
    }
    all
}

#[tokio::test]
async fn every_operation_asks_for_the_token_that_its_document_names() {
    let tokens = Tokens::new(
        vec![Token::new("grafana".parse().unwrap(), READ)],
        vec![Token::new("anna".parse().unwrap(), ADMIN)],
        Vec::new(),
    );
    let service = Service::guarded([sender("stripe", "stripe")], tokens).await;
    let ask = async |method: &Method, path: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers = bearer.as_deref().map(|bearer| ("authorization", bearer));
        let headers: Vec<_> = headers.into_iter().collect();
        service
            .ask(request(method.clone(), path, &headers, Body::empty()))
            .await
    };
    let mut guarded = 0;
    for (method, path, schemes) in operations() {
        let told = format!("{method} {path}");
        if schemes.is_empty() {
            let answer = ask(&method, &path, None).await;
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, None, "{told}: {answer:?}");
            continue;
        }
        guarded += 1;
        for token in [None, Some("another-secret-of-theirs")] {
            let answer = ask(&method, &path, token).await;
            answer.assert_problem(401);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer "), "{told}: {challenge}");
        }
        if path == "/v1/events" {
            // Whoever is let in is answered without end.
            continue;
        }
        let is_read = schemes.contains(&READ_TOKEN.to_owned());
        let with_read_token = ask(&method, &path, Some(READ)).await.status;
        let is_let_in = ![401, 403].contains(&with_read_token);
        assert_eq!(is_let_in, is_read, "{told}: {with_read_token}");
        let with_admin_token = ask(&method, &path, Some(ADMIN)).await.status;
        assert!(![401, 403].contains(&with_admin_token), "{told}");
    }
    assert!(guarded >= 20, "{guarded}");
}
