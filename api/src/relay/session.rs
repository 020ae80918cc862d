//! What the relay does with one publisher, from its connection to its loss.

mod look;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use entity::lifecycle::due::Claimed;
use failpoint::Point;
use futures::FutureExt;
use queue::{Backoff, Confirmed, Error, Event, Publisher, Queue};
use sea_orm::DatabaseConnection;
use tokio::time::{Interval, MissedTickBehavior};
use uuid::Uuid;

use super::{
    hints::{DUE_IN, Hint, HintReceiver},
    metrics::Metrics,
    notes::Notes,
    returned::ReturnedMessages,
    settings::Settings,
    spans::Spans,
    sweep::Sweep,
};
use look::{For, LookError, Looked, Looking, look, look_of};

/// The share of its time that a relay may spend on looking for what is due, where it finds nothing: one part in this many.
const SWEEP_SHARE: u32 = 50;
/// Between sweeps, at most: a sweep that hung with its database says nothing about what the next one costs.
const SWEEP_WITHIN: Duration = DUE_IN;
/// Ids on their way to the broker and not confirmed.
const WINDOW: usize = 4096;
/// Batches of just committed ids that are published together, at most.
const HINTS_AT_ONCE: usize = 8;
/// After the broker has refused messages: the pause before the next are offered, at first and at most.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(10);
/// A channel on which RabbitMQ has once refused messages may go on doing so when there is room again (3.10 does, once the
/// policy is gone): after this time without any that it takes, the next connection is made.
const REFUSED_RECONNECT: Duration = Duration::from_secs(10);
/// A connection that has lived for so long, or on which a message was confirmed, was a good one: the next may be made at
/// once.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// What outlives a session.
pub(super) struct State {
    settings: Settings,
    notes: Notes,
    /// None while a look is under way, which has it.
    sweep: Option<Sweep>,
    returned: ReturnedMessages,
    /// The broker refuses messages: how long to wait before the next are offered.
    refused: Option<Backoff>,
    metrics: Arc<Metrics>,
    spans: Spans,
}

impl State {
    pub(super) fn new(
        settings: Settings,
        db: &DatabaseConnection,
        queue: &Queue,
        (metrics, spans): (Arc<Metrics>, Spans),
    ) -> Self {
        Self {
            metrics,
            spans,
            settings,
            notes: Notes::new(db, settings.note_after),
            sweep: Some(Sweep::new(db, queue)),
            returned: ReturnedMessages::new(db),
            refused: None,
        }
    }
}

pub(super) struct Session<'a> {
    publisher: Publisher,
    state: &'a mut State,
    /// Hints that have just come.
    batch: Vec<Hint>,
    /// No more hints come: what is left is published and noted, and then there is nothing more to do.
    hints_end: bool,
    /// The look under way: at most one.
    looking: Option<Looking>,
    /// Which of the ids on their way are retries.
    retries: HashMap<Uuid, Claimed>,
    /// What has not been published after all, while the sweep is away on a look.
    missed: Vec<Uuid>,
    next_sweep: Interval,
    next_publish: tokio::time::Instant,
    connected: Instant,
    /// When the broker last took a message on this connection.
    published: Option<Instant>,
    /// The message whose confirm is timed.
    timed: Option<(Uuid, Instant)>,
}

impl<'a> Session<'a> {
    pub(super) fn new(publisher: Publisher, state: &'a mut State) -> Self {
        let mut next_sweep = tokio::time::interval(state.settings.sweep_every);
        next_sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if publisher.queue_is_new() {
            tracing::info!(
                event = "queue_created",
                "the queue was created: everything unfinished is published"
            );
            let lost = state.notes.forget();
            if let Some(sweep) = &mut state.sweep {
                sweep.queue_is_new();
                sweep.missed(&lost);
            }
        }
        Self {
            publisher,
            state,
            batch: Vec::new(),
            hints_end: false,
            looking: None,
            retries: HashMap::new(),
            missed: Vec::new(),
            next_sweep,
            next_publish: tokio::time::Instant::now(),
            connected: Instant::now(),
            published: None,
            timed: None,
        }
    }

    /// Publishes until the hints end and all that was published is confirmed and noted.
    pub(super) async fn run(&mut self, hints: &mut HintReceiver) -> Result<(), Error> {
        while !self.hints_end || self.is_busy() {
            self.step(hints).await?;
        }
        Ok(())
    }

    /// Waits for the next thing that happens, and does what follows from it.
    async fn step(&mut self, HintReceiver(hints, nudge): &mut HintReceiver) -> Result<(), Error> {
        let early = tokio::time::Instant::now() < self.next_publish;
        let has_room = self.publisher.unconfirmed() < WINDOW;
        let is_refused = self.state.refused.is_some();
        // What should have been noted by now would fall due for nothing. And a recovery would not see what is in the
        // middle of being noted as published, to a queue that has lost it.
        let may_sweep = has_room
            && !self.hints_end
            && !(is_refused && early)
            && self.looking.is_none()
            && self.state.notes.are_settled();
        tokio::select! {
            count = hints.recv_many(&mut self.batch, HINTS_AT_ONCE), if has_room && !self.hints_end && !early => {
                if count == 0 {
                    self.hints_end = true;
                    self.state.notes.flush();
                }
                self.publish_hints().await?;
                if hints.is_empty() && !is_refused {
                    self.next_publish = tokio::time::Instant::now() + self.state.settings.publish_every;
                }
            }
            () = tokio::time::sleep_until(self.next_publish), if early => {}
            event = self.publisher.event() => match event? {
                Event::Confirmed(confirmed) => self.confirmed(confirmed)?,
                Event::Returned(returned) => {
                    self.state.metrics.returned.add(returned.len() as u64);
                    self.state.returned.note(returned);
                }
            },
            noted = self.state.returned.noted() => {
                self.publisher.settle_returned(noted).await?;
                self.next_sweep.reset_immediately();
            }
            () = self.state.notes.write() => {}
            _ = self.next_sweep.tick(), if may_sweep => self.look(For::Everything),
            () = nudge.given(), if may_sweep => self.look(For::Retries),
            looked = look_of(&mut self.looking) => {
                self.looking = None;
                self.publish_due(looked).await?;
            }
        }
        Ok(())
    }

    fn look(&mut self, what: For) {
        if let Some(sweep) = self.state.sweep.take() {
            self.looking = Some(look(sweep, what, self.publisher.depth()).boxed());
        }
    }

    async fn publish_due(&mut self, looked: Looked) -> Result<(), Error> {
        let Looked {
            sweep,
            what,
            took,
            found,
        } = looked;
        self.state.sweep.insert(sweep).missed(&self.missed);
        self.missed.clear();
        let sweep_every = self.state.settings.sweep_every;
        match found {
            Ok(found) => {
                if found.queue_is_new {
                    let mut lost = self.state.notes.forget();
                    lost.extend(self.publisher.unconfirmed_ids());
                    self.missed(&lost);
                }
                let retries: Vec<Uuid> = found.retries.iter().map(|one| one.id).collect();
                (self.retries).extend(found.retries.into_iter().map(|one| (one.id, one)));
                self.hand_over(&retries).await?;
                self.hand_over(&found.entries).await?;
                if found.more {
                    self.next_sweep.reset_immediately();
                } else if what == For::Everything {
                    self.next_sweep.reset_after(sweep_every);
                }
            }
            Err(LookError::Queue(error)) => return Err(error),
            Err(LookError::Database(error)) => {
                tracing::warn!(event = "sweep_failed", %error, "relay could not look for what is due");
                let pause = (took * SWEEP_SHARE).clamp(sweep_every, SWEEP_WITHIN);
                self.next_sweep.reset_after(pause);
            }
        }
        Ok(())
    }

    async fn publish_hints(&mut self) -> Result<(), Error> {
        let (good, late): (Vec<_>, Vec<_>) = self.batch.drain(..).partition(Hint::is_good);
        if !late.is_empty() {
            let late: Vec<Uuid> = late.into_iter().flat_map(|hint| hint.ids).collect();
            self.missed(&late);
        }
        let ids: Vec<Uuid> = good.into_iter().flat_map(|hint| hint.ids).collect();
        self.hand_over(&ids).await
    }

    async fn hand_over(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        failpoint::here(Point::RelayBeforePublish);
        match self.publisher.publish(ids).await {
            // What finds no room waits in the outbox.
            Err(Error::Full) => self.missed(ids),
            Err(error) => {
                self.missed(ids);
                return Err(error);
            }
            Ok(()) => {
                if let (None, Some(first)) = (self.timed, ids.first()) {
                    self.timed = Some((*first, Instant::now()));
                }
                self.state.spans.published(ids);
                self.state
                    .metrics
                    .on_their_way(self.publisher.unconfirmed());
            }
        }
        failpoint::here(Point::RelayBeforeConfirm);
        Ok(())
    }

    fn confirmed(&mut self, Confirmed { acked, refused }: Confirmed) -> Result<(), Error> {
        failpoint::here(Point::RelayAfterConfirm);
        self.count(&acked, &refused);
        if !acked.is_empty() {
            self.published = Some(Instant::now());
            self.note(acked);
        }
        if refused.is_empty() {
            if self.state.refused.take().is_some() {
                tracing::info!(event = "broker_accepts", "the broker takes messages again");
            }
            return Ok(());
        }
        for id in &refused {
            // A retry falls due by itself.
            self.retries.remove(id);
        }
        self.missed(&refused);
        self.refused()
    }

    fn count(&mut self, acked: &[Uuid], refused: &[Uuid]) {
        let metrics = &self.state.metrics;
        metrics.confirmed.add(acked.len() as u64);
        metrics.nacked.add(refused.len() as u64);
        metrics.on_their_way(self.publisher.unconfirmed());
        self.state.spans.confirmed(acked);
        self.state.spans.failed(refused, "nacked");
        let is_here = |(id, _): &(Uuid, Instant)| acked.contains(id) || refused.contains(id);
        if let Some((_, published)) = self.timed.filter(is_here) {
            metrics.confirmed_after.took(published.elapsed());
            self.timed = None;
        }
    }

    fn note(&mut self, acked: Vec<Uuid>) {
        if self.retries.is_empty() {
            return self.state.notes.add(acked);
        }
        let (mut retries, mut entries) = (Vec::new(), Vec::new());
        for id in acked {
            match self.retries.remove(&id) {
                Some(claimed) => retries.push(claimed),
                None => entries.push(id),
            }
        }
        self.state.notes.add(entries);
        self.state.notes.add_retries(retries);
    }

    /// The broker has refused messages: the next are offered later, and on another connection if it takes none.
    fn refused(&mut self) -> Result<(), Error> {
        if self.state.refused.is_none() {
            tracing::warn!(
                event = "broker_refuses",
                "the broker refuses messages: its queue is as long as a policy allows, or has no leader; \
                 they wait in the outbox"
            );
        }
        let first = || Backoff::between(REFUSED_PAUSE, REFUSED_PAUSE_MAX);
        let pause = self.state.refused.get_or_insert_with(first).next_wait();
        self.next_publish = tokio::time::Instant::now() + pause;
        let last = self.published.unwrap_or(self.connected);
        match last.elapsed() > REFUSED_RECONNECT {
            true => Err(Error::Refused("it takes no messages; connecting anew")),
            false => Ok(()),
        }
    }

    /// These have not been published after all.
    fn missed(&mut self, ids: &[Uuid]) {
        match &mut self.state.sweep {
            Some(sweep) => sweep.missed(ids),
            None => self.missed.extend(ids),
        }
    }

    fn is_busy(&self) -> bool {
        self.publisher.unconfirmed() > 0 || !self.state.notes.is_empty() || self.looking.is_some()
    }

    /// Whether the next connection may be made at once.
    pub(super) fn is_proven(&self) -> bool {
        self.published.is_some() || self.connected.elapsed() > PROVEN_AFTER
    }

    /// What this publisher has not been told about is published by the next.
    pub(super) async fn leave(&mut self) {
        if let Some(looking) = self.looking.take() {
            let Looked { sweep, found, .. } = looking.await;
            self.state.sweep = Some(sweep);
            let found = found.ok().into_iter();
            self.missed.extend(found.flat_map(|found| found.entries));
        }
        let mut missed = std::mem::take(&mut self.missed);
        let lost = self.publisher.unconfirmed_ids();
        self.state.metrics.lost.add(lost.len() as u64);
        self.state.spans.failed(&lost, "lost");
        self.state.metrics.on_their_way(0);
        missed.extend(lost);
        self.missed(&missed);
    }
}

#[cfg(test)]
mod tests;
