//! What is measured run by run, in turn with others, and what it comes to.

use anyhow::Result;

use super::{
    invocation::Bench,
    load::Sender,
    report::Report,
    site::Site,
    trial::{self, Plan, Trial},
};

/// Where a series runs.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// On PostgreSQL and RabbitMQ, on a new site each time.
    Servers,
    /// On SQLite, with a queue inside the process, on a new site each time.
    Embedded,
    /// On servers, on one site for all runs, in which so many finished transactions are before the first.
    Prefilled(u64),
}

/// The service under one condition.
pub(super) struct Series {
    /// The condition, such as `0 s delay`.
    pub(super) what: String,
    plan: Plan,
    place: Place,
    /// What stays from one run to the next.
    site: Option<Site>,
    pub(super) trials: Vec<Trial>,
}

impl Series {
    pub(super) fn new(place: Place, what: impl Into<String>, plan: Plan) -> Self {
        Self {
            what: what.into(),
            plan,
            place,
            site: None,
            trials: Vec::new(),
        }
    }

    /// The same with the webhooks of another source, if one is asked for.
    pub(super) fn of_source(&self, bench: &Bench) -> Option<Self> {
        let sender = bench.args.source?;
        let what = format!("{}, {}", sender.source(), self.what);
        let mut plan = self.plan;
        plan.load.sender = sender;
        Some(Self::new(self.place, what, plan))
    }

    /// Makes the next run.
    pub(super) async fn run(&mut self, bench: &mut Bench) -> Result<()> {
        let mut site = match (self.site.take(), self.place) {
            (Some(site), _) => site,
            (None, Place::Servers) => bench.site().await?,
            (None, Place::Embedded) => Site::embedded(&bench.binary).await?,
            (None, Place::Prefilled(rows)) => {
                bench.say(&format!("writing {rows} rows"));
                let mut site = bench.site().await?;
                site.prefill(rows).await?;
                site
            }
        };
        let trial = trial::run(bench, &mut site, self.plan).await?;
        match self.place {
            Place::Prefilled(_) => self.site = Some(site),
            Place::Servers | Place::Embedded => site.clear().await?,
        }
        bench.say(&format!(
            "{}: {:.0} accepted/s, {:.0} PROCESSED/s, p50 {:.2} ms, p99 {:.2} ms",
            self.what,
            trial.answers.rate(),
            trial.rate,
            trial.answers.latency_ms(50.0),
            trial.answers.latency_ms(99.0),
        ));
        self.trials.push(trial);
        Ok(())
    }

    /// Notes how many webhooks per second were accepted, and what that took; returns the median.
    pub(super) fn note_accepted(&self, report: &mut Report) -> f64 {
        note(report, &self.what, &self.trials)
    }

    /// Notes how many webhooks per second went all the way; returns the median.
    pub(super) fn note_processed(&self, report: &mut Report) -> f64 {
        let rates = self.trials.iter().map(|trial| trial.rate).collect();
        report.figure(format!("{}: PROCESSED", self.what), "webhooks/s", rates)
    }

    pub(super) fn sender(&self) -> Sender {
        self.plan.load.sender
    }

    /// After the last run.
    pub(super) async fn clear(self) -> Result<()> {
        match self.site {
            Some(site) => site.clear().await,
            None => Ok(()),
        }
    }
}

/// Makes all runs.
pub(super) async fn in_turn(bench: &mut Bench, series: &mut [Series]) -> Result<()> {
    for _ in bench.runs() {
        for one in &mut *series {
            one.run(bench).await?;
        }
    }
    Ok(())
}

/// Notes the acceptances of trials of one kind, and what they took; returns the median rate.
pub(super) fn note(report: &mut Report, what: &str, trials: &[Trial]) -> f64 {
    let rates = trials.iter().map(|trial| trial.answers.rate()).collect();
    let accepted = trials.first().map(|trial| trial.answers.sender.accepted());
    let what_rate = format!("{what}: {}s", accepted.unwrap_or(202));
    let rate = report.figure(what_rate, "webhooks/s", rates);
    report.measures(what, trials.iter().map(|trial| &trial.measures));
    rate
}
