//! How far a call has come, and what it has brought.

use super::{answer::Answer, tap::Record};

/// How far a call has come. It is kept outside of what the call's timeout cuts short, so that what is known
/// by then counts.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    /// An answer whose head was understood.
    pub(super) answer: Option<Answer>,
    /// What has come of one whose head was not.
    pub(super) record: Record,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has found a connection that was kept, or is about to look where the service is.
    #[default]
    Begun,
    /// It asks where the service is.
    Resolving,
    /// It connects.
    Connecting,
    /// The request is on its way, or there already.
    Asked,
}

impl Progress {
    /// The answer, if as much as its status has come.
    pub(super) fn into_answer(self) -> Option<Answer> {
        let fragment = || Some(Answer::from_fragment(self.record.read().ok()?));
        self.answer.or_else(fragment)
    }
}
