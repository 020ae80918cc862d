//! A limit of processor time, as containers have it: a control group of its own (cgroups(7)), version 1 or 2, whichever is
//! there. It needs the right to make one: root, mostly.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// Where the kernel's groups are found.
const GROUPS: &str = "/sys/fs/cgroup";
/// In each period a group may use its share and is then stopped until the next, in microseconds. It is the kernel's
/// default, and what containers get.
const PERIOD_US: u32 = 100_000;

/// The group. It is removed with this value, after its processes have ended.
pub(super) struct CpuLimit {
    group: PathBuf,
}

impl CpuLimit {
    /// `cpus` cores' worth of time.
    pub(super) fn new(cpus: f64) -> Result<Self> {
        ensure!(
            cpus >= 0.01 && cpus.is_finite(),
            "--cpus must be a number of cores from 0.01 on, such as 0.25"
        );
        let quota_us = (cpus * f64::from(PERIOD_US)) as u32;
        let name = format!("hookline-bench-{:016x}", rand::random::<u64>());
        Self::in_groups(Path::new(GROUPS), &name, quota_us).context(
            "--cpus needs a cpu control group (cgroup version 1 or 2) and the right to make one",
        )
    }

    fn in_groups(groups: &Path, name: &str, quota_us: u32) -> Result<Self> {
        let version_1 = groups.join("cpu");
        let (parent, settings) = if version_1.is_dir() {
            let settings = vec![
                ("cpu.cfs_period_us", PERIOD_US.to_string()),
                ("cpu.cfs_quota_us", quota_us.to_string()),
            ];
            (&*version_1, settings)
        } else {
            let controllers = fs::read_to_string(groups.join("cgroup.controllers"))
                .with_context(|| format!("there are no control groups in {}", groups.display()))?;
            ensure!(
                controllers.split_whitespace().any(|name| name == "cpu"),
                "there is no cpu controller in {}",
                groups.display()
            );
            write(&groups.join("cgroup.subtree_control"), "+cpu")?;
            (groups, vec![("cpu.max", format!("{quota_us} {PERIOD_US}"))])
        };
        let group = parent.join(name);
        fs::create_dir(&group).with_context(|| format!("cannot make {}", group.display()))?;
        let limit = Self { group };
        for (file, value) in settings {
            write(&limit.group.join(file), &value)?;
        }
        Ok(limit)
    }

    /// Puts the process `pid` under the limit, with all its threads.
    pub(super) fn apply_to(&self, pid: u32) -> Result<()> {
        write(&self.group.join("cgroup.procs"), &pid.to_string())
    }
}

impl Drop for CpuLimit {
    fn drop(&mut self) {
        // It is empty and does nothing if it stays.
        let _ = fs::remove_dir(&self.group);
    }
}

fn write(file: &Path, value: &str) -> Result<()> {
    fs::write(file, value).with_context(|| format!("cannot write {value} to {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::CpuLimit;

    #[test]
    fn both_versions_get_a_quarter_of_a_core() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cpu")).unwrap();
        let limit = CpuLimit::in_groups(folder.path(), "one", 25_000).unwrap();
        let read = |file: &str| fs::read_to_string(limit.group.join(file)).unwrap();
        assert_eq!(read("cpu.cfs_quota_us"), "25000");
        assert_eq!(read("cpu.cfs_period_us"), "100000");
        limit.apply_to(77).unwrap();
        assert_eq!(read("cgroup.procs"), "77");

        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), "cpuset cpu io").unwrap();
        let limit = CpuLimit::in_groups(folder.path(), "two", 25_000).unwrap();
        let max = fs::read_to_string(limit.group.join("cpu.max")).unwrap();
        assert_eq!(max, "25000 100000");
    }

    #[test]
    fn without_control_groups_it_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let why = |folder: &std::path::Path| {
            let error = CpuLimit::in_groups(folder, "none", 25_000).err().unwrap();
            format!("{error:#}")
        };
        assert!(why(folder.path()).contains("there are no control groups"));
        fs::write(folder.path().join("cgroup.controllers"), "cpuset io").unwrap();
        assert!(why(folder.path()).contains("there is no cpu controller"));
    }
}
