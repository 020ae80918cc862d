//! The service beside what ran in turn with it.

use crate::bench::report::{Report, Target};

/// What the service reached, to be held against yardsticks.
pub(super) struct Compared {
    pub(super) mode: &'static str,
    /// The condition, such as `0 s delay`.
    pub(super) what: String,
    /// What is compared, such as `PROCESSED`.
    pub(super) measure: &'static str,
    pub(super) reached: f64,
}

impl Compared {
    /// Notes what the service reached in each run.
    pub(super) fn note(
        report: &mut Report,
        mode: &'static str,
        what: impl Into<String>,
        measure: &'static str,
        rates: Vec<f64>,
    ) -> Self {
        let what = what.into();
        let reached = report.figure(mode, format!("{what}: {measure}"), "webhooks/s", rates);
        Self {
            mode,
            what,
            measure,
            reached,
        }
    }

    /// Notes whether the service reaches its part of what a yardstick does.
    pub(super) fn with(&self, report: &mut Report, yardstick: &str, reached: f64, least: f64) {
        let what = format!("{} : {yardstick}", self.what);
        let ratio = self.reached / reached;
        report.verdict(self.mode, what, ratio, Target::AtLeast(least));
    }

    /// The same for the FastAPI stack, if it could run.
    pub(super) fn with_fastapi(&self, report: &mut Report, rates: Vec<f64>, least: f64) {
        if rates.is_empty() {
            return;
        }
        let what = format!("FastAPI, {}: {}", self.what, self.measure);
        let reached = report.figure(self.mode, what, "webhooks/s", rates);
        self.with(report, "FastAPI", reached, least);
    }
}
