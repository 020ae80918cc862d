//! What processes use, by `/proc`: processor time and memory.

use std::fs;

use anyhow::{Context as _, Result};

/// Seconds of processor time, user and system together, that the server `pid` has used, with its children: those that
/// live and those that have ended.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let live = children(pid)
        .into_iter()
        .filter_map(|child| times(child).ok());
    let live: u64 = live.map(|times| times.own + times.ended).sum();
    let times = times(pid)?;
    Ok(seconds(times.own + times.ended + live))
}

/// The same for this process, without the servers that it has started.
pub(super) fn own_cpu_seconds() -> Result<f64> {
    Ok(seconds(times(std::process::id())?.own))
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Resident memory of the process `pid`, in bytes.
pub(super) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().strip_suffix("kB"))
        .and_then(|value| value.trim().parse::<u64>().ok())
        .with_context(|| format!("process {pid} does not tell its memory"))?;
    Ok(kib * 1024)
}

/// Clock ticks of a process.
struct Times {
    parent: u32,
    own: u64,
    /// Those of children that it has seen end.
    ended: u64,
}

fn times(pid: u32) -> Result<Times> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The second field is a name in parentheses, which may hold anything.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| {
        fields
            .get(number - 3)
            .and_then(|field| field.parse::<u64>().ok())
            .with_context(|| format!("/proc/{pid}/stat has no field {number}"))
    };
    Ok(Times {
        parent: u32::try_from(field(4)?)?,
        own: field(14)? + field(15)?,
        ended: field(16)? + field(17)?,
    })
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| times(*child).is_ok_and(|times| times.parent == pid))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_memory_and_time() {
        let pid = std::process::id();
        assert!(super::resident_bytes(pid).unwrap() > 100_000);
        assert!(super::cpu_seconds(pid).unwrap() >= super::own_cpu_seconds().unwrap());
    }
}
