//! The fake downstream: what the work calls, when it is an HTTP call. It records every call, and fails, dawdles or hangs
//! up as it is told.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{
    locked::locked,
    webhook::{hash, key},
};

/// What a call is answered with that is refused for good; any other refusal is one for a moment.
pub(super) const REFUSED: u16 = 400;
/// Bytes of a call's body.
const BODY_MAX: usize = 64 * 1024;

/// How downstream behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Manners {
    /// How long a call takes.
    pub(super) delay: Duration,
    /// Parts of the calls, by luck, with what they are answered with; nothing closes the connection.
    pub(super) some: &'static [(f64, Option<u16>)],
    /// The part of the keys, always the same ones, whose calls are answered with this.
    pub(super) for_some_keys: (f64, u16),
    /// What every call is answered with at once, as by a proxy whose service is being replaced.
    pub(super) brush_off: Option<u16>,
    /// Calls in one second beyond which the others are answered with 429 and `Retry-After`, at once.
    pub(super) rate_max: Option<u32>,
    /// Connections are kept, and closed just as their second request comes.
    pub(super) closes_kept: bool,
}

impl Manners {
    /// Every call succeeds after `delay`.
    pub(super) const fn good(delay: Duration) -> Self {
        Self {
            delay,
            some: &[],
            for_some_keys: (0.0, 200),
            brush_off: None,
            rate_max: None,
            closes_kept: false,
        }
    }

    /// What a call with this luck, from 0 to 1, is answered with.
    fn by_luck(&self, mut luck: f64) -> Option<u16> {
        for (part, answer) in self.some {
            if luck < *part {
                return *answer;
            }
            luck -= part;
        }
        Some(200)
    }
}

/// One call, with times since downstream was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The idempotency key.
    pub(super) key: String,
    /// The key of the transaction that the body names, by our own reckoning.
    pub(super) transaction: Option<String>,
    /// The [`hash`] of its body; `None` if it has not come whole.
    pub(super) bytes: Option<u64>,
    /// Which attempt the caller says it is.
    pub(super) attempt: Option<String>,
    /// Whether it says that it is a replay.
    pub(super) replay: bool,
    pub(super) began: Duration,
    /// When it was answered, or the caller was gone; `None` while it goes on.
    pub(super) ended: Option<Duration>,
    /// The answer; `None` if there was none.
    pub(super) status: Option<u16>,
}

/// A listening downstream. Dropping it ends it.
pub(super) struct Downstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    began: Instant,
    calls: Mutex<Vec<Call>>,
    manners: Mutex<Manners>,
    random: Mutex<StdRng>,
    /// Keys that are of none of the parts any more that are always answered the same.
    mended: Mutex<BTreeSet<String>>,
    /// The present second, and the calls in it.
    this_second: Mutex<(u64, u32)>,
}

impl Downstream {
    /// Starts it; failures follow from `seed`.
    pub(super) async fn start(seed: u64, manners: Manners) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("downstream cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            began: Instant::now(),
            calls: Mutex::default(),
            manners: Mutex::new(manners),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            mended: Mutex::default(),
            this_second: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on behaves like that.
    pub(super) fn set(&self, manners: Manners) {
        *locked(&self.shared.manners) = manners;
    }

    /// How it behaves now.
    pub(super) fn manners(&self) -> Manners {
        *locked(&self.shared.manners)
    }

    /// For whoever has it take what it has refused.
    pub(super) fn mender(&self) -> Mender {
        Mender(self.shared.clone())
    }

    /// When it was started.
    pub(super) fn began(&self) -> Instant {
        self.shared.began
    }

    /// Every call so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        locked(&self.shared.calls).clone()
    }
}

/// Has downstream take what it has refused.
pub(super) struct Mender(Arc<Shared>);

impl Mender {
    /// From now on the calls of these keys are answered like most.
    pub(super) fn mend(&self, keys: impl IntoIterator<Item = String>) {
        locked(&self.0.mended).extend(keys);
    }
}

impl Drop for Downstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(converse(stream, shared.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let requests = AtomicU32::new(0);
    let service = service_fn(|request| {
        let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
        answer(request, is_first, shared.clone())
    });
    // An error is the caller's end, or our own hanging up.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Downstream's answer; an error hangs up.
async fn answer(
    request: Request<Incoming>,
    is_first: bool,
    shared: Arc<Shared>,
) -> io::Result<Response<String>> {
    let header = |name: &str| {
        let mut headers = request.headers().iter();
        let found = headers.find(|(found, _)| found.as_str().ends_with(name));
        found.and_then(|(_, value)| value.to_str().ok().map(str::to_owned))
    };
    let key = header("idempotency-key").unwrap_or_default();
    let (attempt, source) = (header("attempt"), header("hookline-source"));
    let replay = header("hookline-replay").is_some();
    let manners = *locked(&shared.manners);
    let (part, answer) = manners.for_some_keys;
    let is_mended = locked(&shared.mended).contains(&key);
    let for_this_key = (is_chosen(&key, part) && !is_mended).then_some(answer);
    let call = UnderWay::begin(&shared, key, attempt, replay);
    if manners.closes_kept && !is_first {
        return Err(hang_up());
    }
    // What breaks off, or goes too far, names nothing.
    if let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await {
        call.brings(source.as_deref(), &body.to_bytes());
    }
    let luck = locked(&shared.random).random();
    let status = match shared.answers_at_once(&manners) {
        Some(status) => Some(status),
        None => {
            tokio::time::sleep(manners.delay).await;
            for_this_key.or_else(|| manners.by_luck(luck))
        }
    };
    let status = status.ok_or_else(hang_up)?;
    call.answered(status);
    let mut response = Response::new(String::new());
    if status == 429 {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    Ok(response)
}

impl Shared {
    /// The answer to a call that nobody works on.
    fn answers_at_once(&self, manners: &Manners) -> Option<u16> {
        if manners.brush_off.is_some() {
            return manners.brush_off;
        }
        let most = manners.rate_max?;
        let second = self.began.elapsed().as_secs();
        let mut this_second = locked(&self.this_second);
        if this_second.0 != second {
            *this_second = (second, 0);
        }
        this_second.1 += 1;
        (this_second.1 > most).then_some(429)
    }
}

/// Whether calls with this key belong to such a part. The same key, the same answer.
fn is_chosen(key: &str, part: f64) -> bool {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() as f64 / u64::MAX as f64 <= part && part > 0.0
}

/// Closes the connection without an answer.
fn hang_up() -> io::Error {
    io::Error::other("told to hang up")
}

/// A call that goes on; it ends when this is dropped, which hyper does too when the caller has gone.
struct UnderWay<'a> {
    shared: &'a Shared,
    at: usize,
}

impl<'a> UnderWay<'a> {
    fn begin(shared: &'a Shared, key: String, attempt: Option<String>, replay: bool) -> Self {
        let mut calls = locked(&shared.calls);
        calls.push(Call {
            key,
            transaction: None,
            bytes: None,
            attempt,
            replay,
            began: shared.began.elapsed(),
            ended: None,
            status: None,
        });
        Self {
            shared,
            at: calls.len() - 1,
        }
    }

    fn brings(&self, source: Option<&str>, body: &[u8]) {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let id = |member: &str| json.get(member).and_then(|id| id.as_str());
        let transaction = match source {
            Some(source) => id("id").map(|id| key(source, id)),
            None => id("transaction_id").map(Into::into),
        };
        let call = &mut locked(&self.shared.calls)[self.at];
        (call.transaction, call.bytes) = (transaction, Some(hash(body)));
    }

    fn answered(&self, status: u16) {
        locked(&self.shared.calls)[self.at].status = Some(status);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        locked(&self.shared.calls)[self.at].ended = Some(self.shared.began.elapsed());
    }
}
