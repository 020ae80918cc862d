//! A disk that can be filled: a `tmpfs` where the data is, in a mount namespace of its own. Nobody else sees it, and it
//! is gone with the last process inside.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Signal, geteuid};

use crate::{
    folder::Folder,
    process::{LOOK_EVERY, Process, clean, tail},
};

/// The name of the process that keeps the disk while the server is down, and of its log.
const DISK: &str = "disk";
/// What takes the space away.
const FILLER: &str = "filler";
const FILL_BY: usize = 64 * 1024;

pub(super) struct SmallDisk {
    keeper: Process,
    data: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `mib` for the server's user at `data`, which is in `folder`.
    pub(super) async fn mount(folder: &mut Folder, data: &Path, mib: u32) -> Result<Self> {
        ensure!(geteuid().is_root(), "only root can mount a small disk");
        fs::create_dir(data)?;
        let script = "mount -t tmpfs -o size=$1m,mode=0700,uid=postgres,gid=postgres small-disk \"$2\" && echo mounted \
                      && exec sleep infinity";
        let mut command = clean("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                DISK,
            ])
            .arg(mib.to_string())
            .arg(data);
        let mut keeper = Process::spawn(DISK, command, folder, Signal::KILL)?;
        let log = folder.log(DISK);
        while !fs::read_to_string(&log)?.contains("mounted") {
            let ended = keeper.exited()?;
            ensure!(ended.is_none(), "cannot mount a small disk: {}", tail(&log));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Self {
            keeper,
            data: data.to_owned(),
        })
    }

    /// The same command, run where the disk can be seen.
    pub(super) fn inside(&self, command: &Command) -> Command {
        let mut inside = clean("nsenter");
        inside
            .arg("--target")
            .arg(self.keeper.id().to_string())
            .args(["--mount", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }

    /// The data folder as this process can reach it.
    pub(super) fn data(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.data.strip_prefix("/").unwrap_or(&self.data))
    }

    /// Leaves no byte free.
    pub(super) fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.data().join(FILLER)).context("no filler")?;
        loop {
            match filler.write(&[0; FILL_BY]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
    }

    /// Gives the space back.
    pub(super) fn free(&self) -> Result<()> {
        fs::remove_file(self.data().join(FILLER)).context("cannot free the disk")
    }
}
