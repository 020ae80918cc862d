//! Processor time and memory of processes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use procfs::{
    process::{Process, Stat, all_processes},
    ticks_per_second,
};

use super::report::{Measure, PROCESSOR_TIME};

/// A process, by the name that it has in figures.
pub(super) type Named = (&'static str, u32);

/// Processor time that is counted from its making on.
pub(super) struct Clock {
    processes: Vec<Named>,
    before: BTreeMap<&'static str, f64>,
}

impl Clock {
    /// Counts these processes with their children, and this one.
    pub(super) fn start(processes: Vec<Named>) -> Result<Self> {
        let before = used(&processes)?;
        Ok(Self { processes, before })
    }

    /// What has been used since, for each of `count` webhooks. A server that was stopped meanwhile is left out.
    pub(super) fn per_webhook(self, count: u64) -> Result<Vec<Measure>> {
        let after = used(&self.processes)?;
        let since = |(name, before)| {
            let used_us = (after.get(name)? - before) * 1e6 / count as f64;
            Some((format!("{PROCESSOR_TIME}{name}"), "µs/webhook", used_us))
        };
        Ok(self.before.into_iter().filter_map(since).collect())
    }
}

/// Seconds of each process that lives, and of this one.
fn used(processes: &[Named]) -> Result<BTreeMap<&'static str, f64>> {
    let mut ticks = BTreeMap::from([("lab", own(&Process::myself()?.stat()?))]);
    let name = |pid: i32| {
        let pid = pid.cast_unsigned();
        let found = processes.iter().find(|(_, known)| *known == pid);
        found.map(|(name, _)| *name)
    };
    for process in all_processes()? {
        // An error says that it has just ended.
        let Ok(stat) = process.and_then(|process| process.stat()) else {
            continue;
        };
        if let Some(name) = name(stat.pid).or_else(|| name(stat.ppid)) {
            let ended_children = (stat.cutime + stat.cstime).cast_unsigned();
            *ticks.entry(name).or_default() += own(&stat) + ended_children;
        }
    }
    let seconds = |(name, ticks)| (name, ticks as f64 / ticks_per_second() as f64);
    Ok(ticks.into_iter().map(seconds).collect())
}

fn own(stat: &Stat) -> u64 {
    stat.utime + stat.stime
}

/// Resident memory of the process `pid`, in bytes.
pub(super) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = Process::new(pid.cast_signed())?.status()?;
    let kib = status
        .vmrss
        .context("a process that does not tell its memory")?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::{resident_bytes, used};

    #[test]
    fn this_process_has_used_memory_and_time() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 100_000);
        let used = used(&[("tests", pid)]).unwrap();
        assert!(used["tests"] >= used["lab"]);
    }
}
