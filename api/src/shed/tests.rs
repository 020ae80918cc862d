use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::{
    Request, Response,
    body::{Body, Bytes},
    header,
};
use poem::http::StatusCode;

use super::Shedder;
use crate::{
    BUILT_IN,
    admission::Admission,
    lane::{Ahead, Lane},
    paths,
    scene::{service::sender, sources},
    slots::Slots,
    writer,
};

fn shedder() -> (Admission, Shedder) {
    let admission = Admission::new(Slots::SQLITE);
    let (writer, _) = writer::channel();
    let shedder = Shedder::new(admission.clone(), writer, sources([]));
    (admission, shedder)
}

/// A database that hangs, and a webhook that has just been admitted.
fn nobody_is_admitted(admission: &Admission) {
    admission.with(|controller, now| {
        controller.begins(now.checked_sub(Duration::from_secs(3)).unwrap());
        controller.admit(now, Lane::BUILT_IN, Ahead::default());
    });
}

fn request<B>(path: &str, body: B) -> Request<B> {
    Request::post(path).body(body).unwrap()
}

fn closes<B>(response: &Response<B>) -> bool {
    response.headers().get(header::CONNECTION) == Some(&"close".parse().unwrap())
}

#[test]
fn only_webhooks_are_shed() {
    let (admission, shedder) = shedder();
    assert!(!shedder.sheds(&request(paths::WEBHOOKS, ())));
    nobody_is_admitted(&admission);
    assert!(shedder.sheds(&request(paths::WEBHOOKS, ())));
    assert!(shedder.sheds(&request("/v1/webhooks/stripe", ())));
    assert!(!shedder.sheds(&request("/healthz", ())));
    // It owes a 405, however busy we are.
    let other_method = Request::get(paths::WEBHOOKS).body(()).unwrap();
    assert!(!shedder.sheds(&other_method));
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_says_when_to_come_back() {
    let (_, shedder) = shedder();
    let response = shedder
        .refuse(request(paths::WEBHOOKS, Empty::<Bytes>::new()))
        .await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], 503);
    assert_eq!(problem["title"], "Service Unavailable");
}

#[tokio::test]
async fn what_is_shed_is_counted_with_its_source() {
    let sources = sources([sender("stripe", "stripe")]);
    let (writer, _) = writer::channel();
    let shedder = Shedder::new(Admission::new(Slots::SQLITE), writer, sources.clone());
    for path in [
        paths::WEBHOOKS,
        "/v1/webhooks/stripe",
        "/v1/webhooks//stripe/",
        "/v1/webhooks/made-up",
    ] {
        shedder.refuse(request(path, Empty::<Bytes>::new())).await;
    }
    let sources = sources.borrow();
    for (source, shed) in [(BUILT_IN, 1), ("stripe", 2)] {
        let (_, metrics) = sources.metrics().find(|(name, _)| *name == source).unwrap();
        let counted = metrics.outcomes().find(|(outcome, _)| *outcome == "shed");
        assert_eq!(counted, Some(("shed", shed)));
        let answered = metrics.acks().find(|(answer, _)| *answer == "shed");
        assert_eq!(answered.unwrap().1.count(), shed);
    }
}

#[tokio::test]
async fn those_who_are_shed_come_back_after_one_to_three_seconds() {
    let (_, shedder) = shedder();
    let mut seen = [false; 3];
    for _ in 0..200 {
        let response = shedder
            .refuse(request(paths::WEBHOOKS, Empty::<Bytes>::new()))
            .await;
        let seconds = response.headers()[header::RETRY_AFTER].to_str().unwrap();
        let seconds: usize = seconds.parse().unwrap();
        assert!((1..=3).contains(&seconds), "{seconds}");
        seen[seconds - 1] = true;
    }
    assert_eq!(seen, [true; 3]);
}

#[tokio::test]
async fn a_refusal_keeps_the_connection_if_the_body_is_read_and_says_so_if_not() {
    let (_, shedder) = shedder();
    let refuse = async |length: &str, expect: bool, body: BoxedBody| {
        let mut request = request(paths::WEBHOOKS, body);
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.parse().unwrap());
        if expect {
            headers.insert(header::EXPECT, "100-continue".parse().unwrap());
        }
        closes(&shedder.refuse(request).await)
    };
    assert!(!refuse("2", false, whole("{}")).await);
    assert!(refuse("2", true, whole("{}")).await);
    assert!(refuse("70000", false, whole("{}")).await);
    let before = Instant::now();
    assert!(refuse("2", false, endless()).await);
    assert!(before.elapsed() < Duration::from_secs(1));
    let no_length = request(paths::WEBHOOKS, whole("{}"));
    assert!(closes(&shedder.refuse(no_length).await));
}

type BoxedBody = std::pin::Pin<Box<dyn Body<Data = Bytes, Error = std::convert::Infallible>>>;

fn whole(text: &'static str) -> BoxedBody {
    Box::pin(Full::new(Bytes::from_static(text.as_bytes())))
}

/// Never goes on.
fn endless() -> BoxedBody {
    Box::pin(StreamBody::new(futures::stream::pending()))
}
