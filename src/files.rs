//! How many files this process may have open. Every connection is one, those of senders as well as those to
//! the database, the broker and downstream.

use rustix::{
    io,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// What came of raising the limit.
pub struct Raised {
    before: Option<u64>,
    outcome: io::Result<()>,
}

/// Raises the soft limit to the hard one, which is as far as a process may go by itself. The usual soft one,
/// 1,024, is for programs that use select(2) (systemd.exec(5), `LimitNOFILE`); the API alone takes 10,000
/// connections.
pub fn raise_limit() -> Raised {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    Raised {
        before: current,
        outcome: setrlimit(Resource::Nofile, raised),
    }
}

impl Raised {
    /// Says it once. The log starts later than the limit must be raised.
    pub fn log(&self) {
        let before = self.before;
        let now = getrlimit(Resource::Nofile).current;
        match self.outcome {
            Ok(()) => tracing::debug!(before, now, "the limit of open files is raised"),
            Err(error) => {
                tracing::warn!(event = "files_limit", before, %error, "the limit of open files cannot be raised");
            }
        }
    }
}
