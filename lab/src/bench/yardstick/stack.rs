//! What people take instead of the service: Python stacks (see `lab/peers`), each in a virtual environment of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;
use rustix::process::Signal;
use testbed::{
    folder::Folder,
    ports,
    process::{Process, clean, run, tail},
};

use crate::{
    bench::{
        invocation::Bench,
        load::{Answers, Load},
        processor::Clock,
        site::Site,
        trial::{self, Trial},
    },
    hookline::START,
};

/// On its first requests Python imports what it needs and opens its connections.
const WARM_UP: u64 = 500;
/// How long the work may take after the last request.
const DRAIN_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks for whether everything is done: they cost the database something.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A stack, as data.
pub(in crate::bench) struct Peer {
    pub(in crate::bench) name: &'static str,
    requirements: &'static str,
    /// Its files, by name.
    program: &'static [(&'static str, &'static str)],
    /// Its processes: modules of Python's, and their arguments, in which `PORT` and `CORES` stand for numbers. The first
    /// one listens; a second takes from the queue.
    processes: &'static [(&'static str, &'static str)],
}

/// What many begin with. It keeps nothing across a restart.
pub(in crate::bench) const FASTAPI: Peer = Peer {
    name: "FastAPI",
    requirements: include_str!("../../../peers/fastapi/requirements.txt"),
    program: &[("main.py", include_str!("../../../peers/fastapi/main.py"))],
    processes: &[("uvicorn", "main:app --port PORT --log-level warning")],
};

/// What people take when nothing may be lost, in its best form.
pub(in crate::bench) const CELERY: Peer = Peer {
    name: "Celery",
    requirements: include_str!("../../../peers/celery/requirements.txt"),
    program: &[
        ("main.py", include_str!("../../../peers/celery/main.py")),
        ("tasks.py", include_str!("../../../peers/celery/tasks.py")),
    ],
    processes: &[
        (
            "uvicorn",
            "main:app --port PORT --workers CORES --no-access-log --log-level warning",
        ),
        (
            "celery",
            "--app tasks worker --pool threads --concurrency 4 --loglevel error \
             --without-gossip --without-mingle --without-heartbeat",
        ),
    ],
};

/// A peer that is installed.
pub(in crate::bench) struct Stack {
    peer: &'static Peer,
    python: PathBuf,
}

impl Stack {
    /// The stack, installed; none where that cannot be done, and none in a smoke run, which must do without the network.
    pub(in crate::bench) async fn set_up(bench: &Bench, peer: &'static Peer) -> Option<Self> {
        if bench.args.smoke {
            return None;
        }
        bench.phase(&format!("installing {}", peer.name), 0);
        let left_out = |error| bench.say(&format!("LEFT OUT: {}: {error:#}", peer.name));
        let python = install(&bench.binary, peer).await;
        let python = python.map_err(left_out).ok()?;
        Some(Self { peer, python })
    }

    /// Runs it on a new site, at so many seconds of load without delay. Its webhooks are all different.
    pub(in crate::bench) async fn run(&self, bench: &Bench, seconds: u64) -> Result<Trial> {
        bench.phase(self.peer.name, 0);
        let mut site = bench.site().await?;
        let running = self.start(&site).await?;
        let load = bench.timed(seconds);
        let first = Load {
            count: WARM_UP,
            ..load
        };
        let warm_up = running.finish(&site, first, 0).await?.accepted;

        let named = running.processes.iter();
        let named = named.map(|(name, process)| (*name, process.id()));
        let servers = bench.server_processes().take(self.peer.processes.len());
        let clock = Clock::start(named.chain(servers).collect())?;
        let answers = running.finish(&site, load, warm_up).await?;
        let processor = clock.per_webhook(answers.accepted.max(1))?;
        for (_, process) in running.processes {
            process.end(Signal::TERM).await?;
        }
        drop(running.folder);
        match self.peer.processes.len() {
            1 => site.check_rows(warm_up + answers.accepted).await?,
            _ => site.check(warm_up + answers.accepted).await?,
        }
        let trial = trial::tell(&site, answers, processor).await?;
        bench.say(&format!("{}: {:.0}/s", self.peer.name, trial.rate));
        site.clear().await?;
        Ok(trial)
    }

    async fn start(&self, site: &Site) -> Result<Running> {
        let mut folder = Folder::new("hookline-peer-")?;
        for (name, text) in self.peer.program {
            fs::write(folder.path().join(name), text)?;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let cores = std::thread::available_parallelism()?.to_string();
        let mut processes = Vec::new();
        for (module, arguments) in self.peer.processes {
            let arguments = arguments.replace("PORT", &address.port().to_string());
            let arguments = arguments.replace("CORES", &cores);
            let mut command = clean(&self.python);
            command.args(["-m", module]);
            command.args(arguments.split_whitespace());
            command.envs(site.variables());
            let process = Process::spawn(module, command, &mut folder, Signal::TERM)?;
            processes.push((*module, process));
        }
        if let [(name, listener), others @ ..] = &mut processes[..] {
            // The workers share one socket, which listens before they can answer; requests wait there.
            let log = folder.log(name);
            let listens = listener.listens(address, START, &log).await;
            listens.with_context(|| format!("{} did not start", self.peer.name))?;
            for (name, taker) in others {
                let log = folder.log(name);
                let must_run = || {
                    let ended = taker.exited()?;
                    ensure!(ended.is_none(), "{name} ended by itself: {}", tail(&log));
                    Ok(())
                };
                site.subscribed(must_run).await?;
            }
        }
        Ok(Running {
            processes,
            folder,
            address,
        })
    }
}

/// Makes the environment beside the binary, once; a later benchmark finds it there. Returns its Python.
async fn install(binary: &Path, peer: &Peer) -> Result<PathBuf> {
    let target = binary.parent().and_then(Path::parent);
    let target = target.context("no target folder")?;
    let folder = target.join(format!("peer-{}", peer.name.to_lowercase()));
    let python = folder.join("bin/python");
    // Written last, so that a broken installation is done again.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == peer.requirements) {
        return Ok(python);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    let made = run(venv).await;
    made.context("it needs python3 and its module venv")?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, peer.requirements)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"]);
    pip.arg(&requirements);
    run(pip).await.context("it cannot be installed")?;
    fs::write(installed, peer.requirements)?;
    Ok(python)
}

/// A stack at work. Dropped in this order: the processes end before their folder goes.
struct Running {
    processes: Vec<(&'static str, Process)>,
    folder: Folder,
    address: SocketAddr,
}

impl Running {
    /// Applies a load, and waits until all of it is done, beside so many earlier webhooks.
    async fn finish(&self, site: &Site, load: Load, earlier: u64) -> Result<Answers> {
        let hidden = ProgressBar::hidden();
        let answers = load.apply_all_accepted(self.address, &hidden).await?;
        let start = Instant::now();
        while u64::try_from(site.rows().await?.processed)? < earlier + answers.accepted {
            ensure!(start.elapsed() < DRAIN_WITHIN, "the stack does not finish");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(answers)
    }
}
