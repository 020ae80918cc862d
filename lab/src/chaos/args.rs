//! What can be asked for on the command line.

use std::path::PathBuf;

use super::{fault::Fault, world::Work};

/// What to break, and how often.
#[derive(clap::Args)]
pub struct Args {
    /// Name every fault, and say why one cannot be injected here
    #[arg(long)]
    pub(super) list: bool,

    /// A fault to inject, by its name in --list; may be given several times [default: all but the rare ones]
    #[arg(
        long = "fault",
        value_enum,
        value_name = "NAME",
        hide_possible_values = true
    )]
    pub(super) faults: Vec<Fault>,

    /// What everything follows from: the same seed, the same schedule
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// Runs of each fault, with consecutive seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) seeds: u64,

    /// Rather than one fault per run: one run of so many minutes with one fault after the other
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) minutes: Option<u64>,

    /// Webhooks per second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(super) rate: u16,

    /// What the work is, where the fault is not about what it calls
    #[arg(long, value_enum, default_value_t = Work::Simulate)]
    pub(super) work: Work,

    /// Runs side by side, each in a world of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(super) jobs: u8,

    /// A build of the service with the feature `failpoints`, for the loops over them; without it processes die at random
    /// instants
    #[arg(long, value_name = "FILE")]
    pub(super) failpoints_binary: Option<PathBuf>,

    /// Keep every process's log in this folder, and what each run came to, below it by fault and seed
    #[arg(long, value_name = "DIR")]
    pub(super) logs: Option<PathBuf>,

    /// Write what all runs of each fault come to here
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Rather than break anything: write the results in these files into docs/RELIABILITY.md
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) render: Vec<PathBuf>,
}
