//! What people take instead of the service: Python stacks (see `lab/peers`), each in a virtual environment of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
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
        wait::until,
    },
    hookline::START,
};

/// On its first requests Python imports what it needs and opens its connections.
const WARM_UP: u64 = 500;
/// How long the work may take after the last request.
const DRAIN_WITHIN: Duration = Duration::from_secs(120);
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
        let left_out = |error| bench.say(&format!("LEFT OUT: {}: {error:#}", peer.name));
        let python = install(&bench.binary, peer).await;
        let python = python.map_err(left_out).ok()?;
        Some(Self { peer, python })
    }

    /// Runs it on a new site, at so many seconds of load without delay. Its webhooks are all different.
    pub(in crate::bench) async fn run(&self, bench: &Bench, seconds: u64) -> Result<Trial> {
        let name = self.peer.name;
        let mut site = bench.bare_site().await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        // The processes end before their folder goes.
        let mut folder = Folder::new("hookline-peer-")?;
        let mut processes = self.start(&site, address, &mut folder)?;
        if let [(log, listener), others @ ..] = &mut processes[..] {
            // Workers share one socket, which listens before they can answer; requests wait there.
            let listens = listener.listens(address, START, &folder.log(log)).await;
            listens.with_context(|| format!("{name} did not start"))?;
            for (log, other) in others {
                let says = || tail(&folder.log(log));
                let subscribed = site.subscribed(|| {
                    let ended = other.exited()?;
                    ensure!(ended.is_none(), "{log} ended by itself: {}", says());
                    Ok(())
                });
                subscribed.await?;
            }
        }
        let load = bench.timed(seconds);
        let first = Load {
            count: WARM_UP,
            ..load
        };
        let warm_up = finish(&site, address, first, 0).await?.accepted;

        let named = processes.iter();
        let named = named.map(|(name, process)| (*name, process.id()));
        let servers = bench.server_processes().take(processes.len());
        let clock = Clock::start(named.chain(servers).collect())?;
        let answers = finish(&site, address, load, warm_up).await?;
        let measures = clock.per_webhook(answers.accepted.max(1))?;
        let has_queue = processes.len() > 1;
        for (_, process) in processes {
            process.end(Signal::TERM).await?;
        }
        match has_queue {
            true => site.check(warm_up + answers.accepted).await?,
            false => site.check_rows(warm_up + answers.accepted).await?,
        }
        let trial = trial::tell(&site, answers, measures).await?;
        bench.say(&format!("{name}: {:.0}/s", trial.rate));
        site.clear().await?;
        Ok(trial)
    }

    /// Starts its processes; each has its name, which is its log's, too.
    fn start(
        &self,
        site: &Site,
        address: SocketAddr,
        folder: &mut Folder,
    ) -> Result<Vec<(&'static str, Process)>> {
        for (name, text) in self.peer.program {
            fs::write(folder.path().join(name), text)?;
        }
        let cores = std::thread::available_parallelism()?.to_string();
        let port = address.port().to_string();
        let start = |(module, arguments): &(&'static str, &str)| {
            let arguments = arguments.replace("PORT", &port).replace("CORES", &cores);
            let mut command = clean(&self.python);
            command.args(["-m", module]);
            command.args(arguments.split_whitespace());
            command.envs(site.variables());
            let process = Process::spawn(module, command, folder, Signal::TERM)?;
            Ok((*module, process))
        };
        self.peer.processes.iter().map(start).collect()
    }
}

/// Applies a load, and waits until all of it is done, beside so many earlier webhooks.
async fn finish(site: &Site, address: SocketAddr, load: Load, earlier: u64) -> Result<Answers> {
    let answers = load.apply_all_accepted(address).await?;
    let all = i64::try_from(earlier + answers.accepted)?;
    let done = async || Ok(site.rows().await?.processed == all);
    until(DRAIN_WITHIN, "the stack has done everything", done).await?;
    Ok(answers)
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
