//! A server of one node.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::node::{Node, installed};
use crate::{
    folder::Folder,
    ports,
    process::{Process, Running, clean, run, tail},
    tls::Certificates,
};

/// The names of the processes and logs.
const RABBITMQ: &str = "rabbitmq";
const RABBITMQCTL: &str = "rabbitmqctl";
const EPMD: &str = "epmd";

/// How long a start may take, the recovery after a crash included.
const START: Duration = Duration::from_secs(90);

/// Erlang that returns once the leader of every quorum queue has answered. Leaders are elected after the start, and
/// nothing that AMQP offers tells an empty queue from one that does not know its messages yet.
const AWAIT_LEADERS: &str = "
    Await = fun Await(Queue) ->
        case ra:consistent_query(amqqueue:get_pid(Queue), fun(_) -> ok end, 1000) of
            {ok, _, _} -> ok;
            _ -> timer:sleep(50), Await(Queue)
        end
    end,
    lists:foreach(Await, rabbit_amqqueue:list_by_type(rabbit_quorum_queue)).";

/// How a private server differs from the usual.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// With these the server listens for AMQP over TLS as well, and shows `cert`.
    pub tls: Option<Certificates>,
}

/// A RabbitMQ of one's own on 127.0.0.1, a single node with the management plugin, for the user `guest`. Dropping it
/// kills it and removes its data.
pub struct Server {
    // Dropped in this order: the node ends before the daemon that knows its name, and both before their folder goes.
    process: Running,
    _epmd: Option<Process>,
    folder: Folder,
    pub(super) node: Node,
    pub(super) cookie: String,
}

/// What a node of a cluster takes over from the first one.
pub(super) struct Membership {
    pub(super) epmd_port: u16,
    pub(super) cookie: String,
}

impl Server {
    /// Starts a new, empty server, and returns once it accepts connections.
    pub async fn start(options: Options) -> Result<Self> {
        ensure!(installed(), "RabbitMQ is not installed");
        ports::retry(async || Self::start_on_free_ports(&options, None).await).await
    }

    pub(super) async fn start_on_free_ports(
        options: &Options,
        member: Option<&Membership>,
    ) -> Result<Self> {
        let mut folder = Folder::new("hookline-rabbitmq-")?;
        let mut node = Node::new(folder.path(), options.tls.is_some())?;
        fs::write(
            folder.path().join("rabbitmq.conf"),
            node.configuration(options.tls.as_ref()),
        )?;
        fs::write(
            folder.path().join("enabled_plugins"),
            "[rabbitmq_management].\n",
        )?;
        let cookie = match member {
            Some(member) => member.cookie.clone(),
            None => format!("{:016X}", rand::random::<u64>()),
        };
        let cookie_file = folder.path().join(".erlang.cookie");
        fs::write(&cookie_file, &cookie)?;
        fs::set_permissions(&cookie_file, fs::Permissions::from_mode(0o400))?;
        let epmd = match member {
            Some(member) => {
                node.epmd_port = member.epmd_port;
                None
            }
            None => Some(start_epmd(&node, &mut folder).await?),
        };
        let mut server = Self {
            process: Running::default(),
            _epmd: epmd,
            folder,
            node,
            cookie,
        };
        server.boot().await?;
        Ok(server)
    }

    /// Where it listens for AMQP.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.node.amqp_port))
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// Whether the server's process is there.
    pub fn runs(&mut self) -> Result<bool> {
        self.process.is_there()
    }

    /// The AMQP URL of the virtual host `/`.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.node.amqp_port)
    }

    /// The same over TLS, or `None` when the server was started without certificates.
    pub fn amqps_url(&self) -> Option<String> {
        let port = self.node.amqps_port?;
        Some(format!("amqps://guest:guest@localhost:{port}/%2f"))
    }

    /// The server's process number, unless it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Stops the server in good order. Nothing if it is stopped already.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.end(Signal::TERM).await
    }

    /// Crashes the server: `kill -9`. A quorum queue declared in the last three seconds may come back without its
    /// messages and without ever a leader; see [`Self::flush_declarations`].
    pub async fn kill(&mut self) -> Result<()> {
        self.process.end(Signal::KILL).await
    }

    /// Starts a stopped or crashed server on the same ports with the same data, and returns once it accepts connections
    /// and its quorum queues have a leader: until then they say that they are empty.
    pub async fn start_again(&mut self) -> Result<()> {
        self.boot().await?;
        let leaders = tokio::time::timeout(START, self.control(&["eval", AWAIT_LEADERS])).await;
        leaders
            .context("a quorum queue has no leader after the start")?
            .map(drop)
    }

    async fn boot(&mut self) -> Result<()> {
        ensure!(self.process.is_stopped(), "RabbitMQ runs already");
        // What a crash leaves behind would make the wait below look for the process before.
        let pid_file = self.node.pid_file();
        if pid_file.exists() {
            fs::remove_file(&pid_file)?;
        }
        let process = Process::spawn(
            RABBITMQ,
            self.node.command("rabbitmq-server")?,
            &mut self.folder,
            Signal::KILL,
        )?;
        let process = self.when_ready(process).await?;
        self.process.started(process);
        Ok(())
    }

    /// Returns once every queue declared so far survives a crash. RabbitMQ (3.10 at least) keeps the table that leads
    /// from a quorum queue's name to its data in memory for some seconds, while the messages are safe at once.
    pub async fn flush_declarations(&self) -> Result<()> {
        self.control(&["eval", "lists:foreach(fun dets:sync/1, dets:all())."])
            .await
            .map(drop)
    }

    /// Runs `rabbitmqctl ARGUMENTS` on this server and returns what it prints.
    pub async fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.node.command(RABBITMQCTL)?;
        command.args(["-n", &self.node.name]).args(arguments);
        run(command).await
    }

    /// Gives `process` back once it accepts connections; ends it if it never does.
    async fn when_ready(&mut self, mut process: Process) -> Result<Process> {
        // `await_startup` would fail on a node that has not even begun.
        let mut wait = self.node.command(RABBITMQCTL)?;
        wait.args([
            "-n",
            &self.node.name,
            "wait",
            "--timeout",
            &START.as_secs().to_string(),
        ]);
        wait.arg(self.node.pid_file());
        let mut wait = Process::spawn(RABBITMQCTL, wait, &mut self.folder, Signal::KILL)?;
        let ready = tokio::select! {
            status = wait.exit() => status?.success(),
            _ = process.exit() => false,
        };
        if !ready {
            let logs = [RABBITMQCTL, RABBITMQ].map(|name| tail(&self.folder.log(name)));
            bail!("RabbitMQ did not start: {}", logs.join("\n"));
        }
        Ok(process)
    }
}

/// Starts the daemon that knows the nodes' names. As a child, unlike the one that Erlang would start by itself, it ends
/// with us.
async fn start_epmd(node: &Node, folder: &mut Folder) -> Result<Process> {
    let mut epmd = clean(EPMD);
    epmd.args([
        "-address",
        "127.0.0.1",
        "-port",
        &node.epmd_port.to_string(),
    ]);
    let mut epmd = Process::spawn(EPMD, epmd, folder, Signal::KILL)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, node.epmd_port));
    let log = folder.log(EPMD);
    let listens = epmd.listens(address, START, &log).await;
    listens.context("epmd did not start")?;
    Ok(epmd)
}
