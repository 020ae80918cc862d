//! What was found.

use std::fmt::Display;

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Finding {
    what: &'static str,
    is: State,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// It works, and costs something.
    Doubtful,
    Bad,
}

/// All findings, in their order.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn good(&mut self, what: &'static str, detail: impl Display) {
        self.add(what, State::Good, detail);
    }

    pub(super) fn doubtful(&mut self, what: &'static str, detail: impl Display) {
        self.add(what, State::Doubtful, detail);
    }

    pub(super) fn bad(&mut self, what: &'static str, detail: impl Display) {
        self.add(what, State::Bad, detail);
    }

    fn add(&mut self, what: &'static str, is: State, detail: impl Display) {
        let detail = detail.to_string();
        self.0.push(Finding { what, is, detail });
    }

    pub(super) fn all(self) -> Vec<Finding> {
        self.0
    }
}

impl Finding {
    pub(super) fn is_bad(&self) -> bool {
        self.is == State::Bad
    }

    pub(super) fn cells(&self) -> [String; 3] {
        let is = match self.is {
            State::Good => "good",
            State::Doubtful => "doubtful",
            State::Bad => "BAD",
        };
        [self.what.to_owned(), is.to_owned(), self.detail.clone()]
    }
}
