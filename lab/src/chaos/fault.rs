//! The faults: a closed set, each with its name, its row of the fault matrix, and what it does.

mod backlog;
mod broker;
mod cluster;
mod database;
mod downstream;
mod failpoints;
mod messages;
mod network;
mod process;
mod senders;
mod servers;
mod table;
mod traits;

use clap::ValueEnum;
use serde::{Serialize, Serializer};

pub(super) use self::{
    table::{Fault, all},
    traits::Traits,
};

impl Fault {
    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Why it cannot be injected here, or `None` if it can.
    pub(super) fn obstacle(self, has_failpoints: bool) -> Option<String> {
        match self {
            Self::SlowFsync | Self::FsyncError => database::strace_obstacle(),
            Self::DiskFull => database::root_obstacle(),
            Self::ClockJump => testbed::postgres::clock_obstacle(),
            Self::PoisonWork | Self::EmbeddedFailpoints if !has_failpoints => {
                Some("needs --failpoints-binary, a build that can be told where to die".into())
            }
            _ => None,
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn every_row_of_the_matrix_that_is_asked_for_has_a_fault() {
        let asked = [
            ("A", 1..=6),
            ("B", 1..=15),
            ("C", 1..=13),
            ("D", 1..=1),
            ("E", 3..=5),
            ("F", 1..=3),
        ];
        for (letter, numbers) in asked {
            for number in numbers {
                let row = format!("{letter}{number}");
                assert!(all().any(|about| about.row == row), "{row}");
            }
        }
    }
}
