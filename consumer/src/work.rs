//! The work itself: a simulated external call that takes a fixed time, or a real one.

pub mod http;
pub mod signal;

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use entity::{
    Outcome,
    lifecycle::{Attempt, Job},
};
use futures::{FutureExt, future::BoxFuture};
use time::OffsetDateTime;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};
use uuid::Uuid;

use http::{Called, Downstream};
use signal::Signal;

/// What is done for a transaction before it is `PROCESSED`. A closed set.
#[derive(Clone, Debug)]
pub enum Work {
    /// Waits as long as an external call would take.
    Simulate {
        /// How long.
        delay: Duration,
    },
    /// Tells downstream, over HTTP.
    Http(Downstream),
}

impl Work {
    /// Whether it needs to know what a transaction says.
    pub(crate) fn needs_content(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Starts the simulated work on transactions that begin together, and so end together.
    pub(crate) fn simulate(delay: Duration, ids: Vec<Uuid>) -> Running {
        Running::Simulated(ids, Box::pin(tokio::time::sleep(delay)))
    }

    /// Starts an attempt at a job, as soon as `whole` has come; an error says why it cannot be had. Downstream is told the
    /// `traceparent`, if there is one. A panic is an outcome, too.
    pub(crate) fn call(
        downstream: &Downstream,
        job: Arc<Job>,
        (whole, traceparent): (
            impl Future<Output = Result<Whole, String>> + Send + 'static,
            Option<String>,
        ),
    ) -> Running {
        let (id, number) = (job.id, job.attempt);
        let (started_at, began) = (OffsetDateTime::now_utc(), Instant::now());
        let not_made = move |outcome, signal, error| Called {
            attempt: Attempt {
                id,
                number,
                started_at,
                took: began.elapsed(),
                outcome,
                status: None,
                error: Some(error),
                retry_after: None,
            },
            signal,
        };
        let downstream = downstream.clone();
        let call = async move {
            match whole.await {
                Ok(Whole { job, room: _room }) => downstream.call(job, traceparent).await,
                Err(why) => not_made(Outcome::Failed, Signal::Here, why),
            }
        };
        let called = AssertUnwindSafe(call).catch_unwind().map(move |outcome| {
            outcome.unwrap_or_else(|panic| {
                let error = format!("panicked: {}", message(&*panic));
                not_made(Outcome::Panicked, Signal::Panicked, error)
            })
        });
        Running::Called(called.boxed(), Some(job))
    }

    /// Lets a job wait here for its next attempt. The one before has counted for nothing.
    pub(crate) fn rest(job: Arc<Job>, wait: Duration) -> Running {
        let mut job = Arc::unwrap_or_clone(job);
        job.attempt += 1;
        job.deferrals += 1;
        Running::Resting(Box::pin(tokio::time::sleep(wait)), Some(job.into()))
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .filter(|text| text.len() <= 300 && !text.contains(char::is_control))
        .unwrap_or("(see the log)")
}

/// A job with everything that downstream is to receive.
pub(crate) struct Whole {
    pub(crate) job: Arc<Job>,
    /// What it keeps from others until its call has ended.
    pub(crate) room: OwnedSemaphorePermit,
}

/// Work under way. Hundreds of thousands may be pending, so what is simulated is an id and its share of a timer.
pub(crate) enum Running {
    Simulated(Vec<Uuid>, Pin<Box<Sleep>>),
    Called(BoxFuture<'static, Called>, Option<Arc<Job>>),
    Resting(Pin<Box<Sleep>>, Option<Arc<Job>>),
}

impl Running {
    /// The job of a call that has not ended, or that waits for its next.
    pub(crate) fn job(&self) -> Option<&Job> {
        match self {
            Self::Simulated(..) => None,
            Self::Called(_, job) | Self::Resting(_, job) => job.as_deref(),
        }
    }

    /// The same.
    pub(crate) fn into_job(self) -> Option<Arc<Job>> {
        match self {
            Self::Simulated(..) => None,
            Self::Called(_, job) | Self::Resting(_, job) => job,
        }
    }
}

/// Work that has ended.
pub(crate) enum Ended {
    Simulated(Vec<Uuid>),
    Called(Box<Called>, Arc<Job>),
    Rested(Arc<Job>),
}

impl Future for Running {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        match &mut *self {
            Self::Simulated(ids, sleep) => sleep
                .as_mut()
                .poll(context)
                .map(|()| Ended::Simulated(std::mem::take(ids))),
            Self::Called(call, job) => {
                let called = ready!(call.as_mut().poll(context));
                match job.take() {
                    Some(job) => Poll::Ready(Ended::Called(Box::new(called), job)),
                    None => Poll::Pending,
                }
            }
            Self::Resting(sleep, job) => {
                ready!(sleep.as_mut().poll(context));
                job.take()
                    .map_or(Poll::Pending, |job| Poll::Ready(Ended::Rested(job)))
            }
        }
    }
}
