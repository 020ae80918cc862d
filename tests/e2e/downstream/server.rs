//! A downstream service on loopback that remembers its calls and answers as the test says.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Response, body::Bytes, header::HeaderMap, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .unwrap_or_else(|| panic!("no {name}"))
            .to_str()
            .unwrap()
    }
}

/// The status of an answer, and how long it takes.
pub(crate) type Answer = (u16, Duration);

type Calls = Arc<Mutex<Vec<Call>>>;
/// By the number of the call and its idempotency key.
type ByCall = Box<dyn Fn(usize, &str) -> Answer + Send>;
type Answers = Arc<Mutex<ByCall>>;

pub(crate) struct Downstream {
    pub(crate) url: String,
    calls: Calls,
    answers: Answers,
}

impl Downstream {
    /// `answer` is asked with the number of the call, 0 for the first.
    pub(crate) async fn start(answer: impl Fn(usize) -> Answer + Send + 'static) -> Self {
        Self::listen(Box::new(move |number, _| answer(number))).await
    }

    /// `answer` is asked with the call's idempotency key.
    pub(crate) async fn start_by_key(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        Self::listen(Box::new(move |_, key| answer(key))).await
    }

    async fn listen(answer: ByCall) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/charge", listener.local_addr().unwrap());
        let calls = Calls::default();
        let answers: Answers = Arc::new(Mutex::new(answer));
        let shared = (calls.clone(), answers.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (calls, answers) = shared.clone();
                let service =
                    service_fn(move |request| hear(request, calls.clone(), answers.clone()));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self {
            url,
            calls,
            answers,
        }
    }

    /// From now on answers like that.
    pub(crate) fn answer(&self, answer: impl Fn(usize) -> Answer + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(move |number, _| answer(number));
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Which attempt each call so far said that it was.
    pub(crate) fn attempts_told(&self) -> Vec<String> {
        let calls = self.calls();
        let told = calls.iter().map(|call| call.header("hookline-attempt"));
        told.map(Into::into).collect()
    }
}

async fn hear(
    request: hyper::Request<hyper::body::Incoming>,
    calls: Calls,
    answers: Answers,
) -> hyper::Result<Response<Empty<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let call = Call {
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let (status, takes) = {
        let mut calls = calls.lock().unwrap();
        calls.push(call);
        let (number, call) = (calls.len() - 1, &calls[calls.len() - 1]);
        answers.lock().unwrap()(number, call.header("idempotency-key"))
    };
    tokio::time::sleep(takes).await;
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status.try_into().unwrap();
    Ok(answer)
}
