//! How a request is shown to its source: the bytes as they came, with whatever came with them.

use std::sync::Arc;

use poem::Request;
use source::Verdict;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{Sender, Sources, metrics::SourceMetrics, refusals::Ledger};

/// What is refused with this status was no webhook.
const NO_WEBHOOK: u16 = 405;

/// Who may come in: the sources as they are configured now; and who was refused.
#[derive(Clone)]
pub(crate) struct Gate {
    sources: watch::Receiver<Arc<Sources>>,
    ledger: Ledger,
}

impl Gate {
    pub(crate) fn new(sources: watch::Receiver<Arc<Sources>>, ledger: Ledger) -> Self {
        Self { sources, ledger }
    }

    /// The sources as they are now. Whoever has begun with them goes on with them.
    pub(crate) fn sources(&self) -> Arc<Sources> {
        self.sources.borrow().clone()
    }

    /// Whether a request is the built-in source's, where that is to be proven; if not, that is noted. Which events the source
    /// would see in it does not matter: the built-in one has fields of its own.
    pub(crate) fn is_proven(&self, request: &Request, body: &[u8]) -> bool {
        let Some(sources) = self.guarded() else {
            return true;
        };
        let metrics = sources.built_in_metrics();
        sources.built_in().is_none_or(|sender| {
            show(sender, request, body, |shown| {
                let proof = sender.source.prove(shown);
                match &proof {
                    Ok(secret) => metrics.proven(*secret),
                    Err(refusal) => {
                        metrics.refused(refusal.reason);
                        self.ledger.note((&sources, sender), shown, refusal);
                    }
                }
                proof.is_ok()
            })
        })
    }

    /// The sources as they are now, if the built-in one is to be proven.
    fn guarded(&self) -> Option<Arc<Sources>> {
        let sources = self.sources.borrow();
        sources.built_in().is_some().then(|| sources.clone())
    }

    /// Has a source judge a request, and hands the verdict on while what it borrows is there. Who is refused is noted.
    pub(crate) fn judge<T>(
        &self,
        (sources, sender, metrics): (&Sources, &Sender, &SourceMetrics),
        request: &Request,
        body: &[u8],
        then: impl FnOnce(Verdict<'_>) -> T,
    ) -> T {
        show(sender, request, body, |shown| {
            let (verdict, secret) = sender.source.judge_by(shown);
            match (&verdict, secret) {
                (Verdict::Refused(refusal), _) if refusal.status != NO_WEBHOOK => {
                    metrics.refused(refusal.reason);
                    self.ledger.note((sources, sender), shown, refusal);
                }
                // What a new address is asked proves nothing, and may not be signed at all.
                (_, Some(secret)) => metrics.proven(secret),
                _ => {}
            }
            then(verdict)
        })
    }
}

/// Makes of a request what a source judges.
fn show<T>(
    sender: &Sender,
    request: &Request,
    body: &[u8],
    then: impl FnOnce(&source::Request<'_>) -> T,
) -> T {
    let query = request.uri().query().unwrap_or_default();
    let url = match &sender.public_url {
        Some(public) if sender.source.signs_url() => source::url(public, query),
        _ => String::new(),
    };
    let headers = request.headers().iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    then(&source::Request {
        method: request.method().as_str(),
        url: &url,
        query,
        headers: &headers,
        body,
        now: OffsetDateTime::now_utc(),
    })
}
