//! The stack that the service replaces: FastAPI, SQLAlchemy, psycopg2 and `BackgroundTasks`, in its best form (see
//! `lab/peers/fastapi`), in a virtual environment of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use testbed::{
    folder::Folder,
    ports,
    process::{LOOK_EVERY, Process, clean, run},
};

use crate::bench::{
    invocation::Bench,
    load::Load,
    site::Site,
    trial::{self, Clock, Plan, Trial},
};

const PROGRAM: &str = include_str!("../../../peers/fastapi/main.py");
const REQUIREMENTS: &str = include_str!("../../../peers/fastapi/requirements.txt");

/// The name of the log.
const LOG: &str = "uvicorn";
/// How long a start may take.
const START: Duration = Duration::from_secs(30);
/// How long the background tasks may take after the last request.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

/// A virtual environment with the stack in it.
pub(in crate::bench) struct Stack {
    python: PathBuf,
}

impl Stack {
    /// The stack, installed; none where that cannot be done, and none in a smoke run, which must do without the network.
    pub(in crate::bench) async fn set_up(bench: &Bench) -> Option<Self> {
        if bench.args.smoke {
            return None;
        }
        bench.phase("installing FastAPI", 0);
        let stack = Self::install(&bench.binary).await;
        let left_out = |error| bench.say(&format!("FastAPI is left out: {error:#}"));
        stack.map_err(left_out).ok()
    }

    /// Makes the environment beside the binary, once; a later benchmark finds it there.
    async fn install(binary: &Path) -> Result<Self> {
        let target = binary.parent().and_then(Path::parent);
        let folder = target.context("no target folder")?.join("peer-fastapi");
        let python = folder.join("bin/python");
        // Written last, so that a broken installation is done again.
        let installed = folder.join("installed.txt");
        if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
            return Ok(Self { python });
        }
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        run(venv)
            .await
            .context("this yardstick needs python3 and its module venv")?;
        let requirements = folder.join("requirements.txt");
        std::fs::write(&requirements, REQUIREMENTS)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(&requirements);
        run(pip)
            .await
            .context("the FastAPI stack cannot be installed")?;
        std::fs::write(installed, REQUIREMENTS)?;
        Ok(Self { python })
    }

    /// Webhooks per second, from the first request to the last `PROCESSED`, with no delay, at `time` of load.
    pub(in crate::bench) async fn rate(&self, bench: &Bench, time: Duration) -> Result<f64> {
        let trial = self.trial(bench, Plan::closed(bench, u64::MAX, time));
        Ok(trial.await?.rate)
    }

    /// Runs the stack on a new site under this load. Its webhooks are all different.
    pub(in crate::bench) async fn trial(&self, bench: &Bench, plan: Plan) -> Result<Trial> {
        let mut site = bench.site().await?;
        let (uvicorn, folder, address) = self.start(&site, plan.delay).await?;
        let clock = Clock::of_peer(bench, "FastAPI", uvicorn.id())?;
        let load = Load {
            pace: plan.pace,
            count: plan.count,
            ..Load::closed(address, plan.connections, plan.time)
        };
        let answers = load.apply_all_accepted(&bench.progress).await?;
        // Nothing is done before, and looking costs the database.
        tokio::time::sleep(plan.delay).await;
        let start = Instant::now();
        while u64::try_from(site.rows().await?.processed)? < answers.accepted {
            ensure!(start.elapsed() < DRAIN_WITHIN, "FastAPI does not finish");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let processor = clock.per_webhook(answers.accepted.max(1))?;
        uvicorn.end(Signal::TERM).await?;
        drop(folder);
        site.check_rows(answers.accepted).await?;
        let trial = trial::tell(&site, answers, processor).await?;
        site.clear().await?;
        Ok(trial)
    }

    async fn start(&self, site: &Site, delay: Duration) -> Result<(Process, Folder, SocketAddr)> {
        let mut folder = Folder::new("hookline-fastapi-")?;
        std::fs::write(folder.path().join("main.py"), PROGRAM)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let workers = std::thread::available_parallelism()?.to_string();
        let port = address.port().to_string();
        let mut command = clean(&self.python);
        command.args([
            "-m",
            "uvicorn",
            "main:app",
            "--no-access-log",
            "--log-level",
            "warning",
        ]);
        command.args(["--workers", &workers, "--port", &port]);
        // SQLAlchemy knows PostgreSQL by its long name only.
        let url = site
            .database_url()
            .replacen("postgres://", "postgresql://", 1);
        let delay = delay.as_secs_f64().to_string();
        command.env("DATABASE_URL", url).env("DELAY_SECONDS", delay);
        let mut process = Process::spawn(LOG, command, &mut folder, Signal::TERM)?;
        // The workers share one socket, which listens before they can answer; requests wait there.
        let log = folder.log(LOG);
        let listens = process.listens(address, START, &log).await;
        listens.context("FastAPI did not start")?;
        self.warm_up(address, site).await?;
        Ok((process, folder, address))
    }

    /// Python imports and opens its connections on the first requests. Where there is a delay, their updates come
    /// after it and find no row: half a second's work, before those of the run begin.
    async fn warm_up(&self, address: SocketAddr, site: &Site) -> Result<()> {
        let load = Load {
            count: 500,
            ..Load::closed(address, 64, START)
        };
        load.apply_all_accepted(&indicatif::ProgressBar::hidden())
            .await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        site.execute("TRUNCATE transactions").await
    }
}
