//! Start and stop: connects what a role needs, runs it until a signal, and takes it down in order.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use anyhow::{Context, bail, ensure};
use api::{Databases, Drain, Slots, relay};
use consumer::{
    Tenancy, Work,
    work::http::{self, Downstream},
};
use entity::lifecycle;
use migration::{Migrator, MigratorTrait};
use queue::{Queue, amqp, memory};
use sea_orm::DatabaseConnection;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    chosen,
    claim::{self, Claim, Guarded, Use},
    config::{BadSetting, Config},
    database, logging,
    signals::{self, Signals},
};

/// The API's connections for commits, the relay's for its notes (of what is published and what has come back) and looks, and
/// one for readiness.
const WRITE_CONNECTIONS: u32 = Slots::POSTGRES.most as u32 + 4;
/// Connections for look-ups.
const READ_CONNECTIONS: u32 = 4;
/// The consumer's: one takes while another commits and a third gives back, and neither the lease nor the look for dead
/// consumers waits for them.
const CONSUMER_CONNECTIONS: u32 = 5;
/// Connections that the kernel keeps until they are accepted. The usual 128 are gone in a moment when
/// many senders connect at once, and whoever finds no place tries again only a second later.
const BACKLOG: u32 = 4096;
/// Exit code after a second signal, as shells report a death by SIGINT.
const LEFT_AT_ONCE: i32 = 130;
/// The part of the grace period that senders and downstream get to end what is under way. The rest is
/// for taking down the process.
const GRACE_FOR_OTHERS: f64 = 0.7;

/// What a process runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// API, relay and consumer; migrates first.
    Everything,
    /// API and relay.
    Api,
    /// The consumer.
    Consumer,
}

/// Runs a role until it is told to stop.
pub async fn run(role: Role, config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    signals::reap_orphans()?;
    let stop = CancellationToken::new();
    let drain = Drain::default();
    let delay = match role {
        // Nobody sends it anything.
        Role::Consumer => Some(Duration::ZERO),
        Role::Everything | Role::Api => config.shutdown_delay,
    };
    let grace = config.shutdown_grace;
    let (parts, file) = tokio::select! {
        started = start(role, config, &drain, &stop) => started?,
        () = signals.next() => {
            tracing::info!(event = "stopped", "stopped before it had started");
            return Ok(());
        }
    };
    run_until_signal(parts, (drain, delay), (stop, grace), signals).await?;
    match file {
        Some(file) => file.release().await,
        None => Ok(()),
    }
}

type Parts = JoinSet<anyhow::Result<()>>;

/// Connects what a role needs, checks it, and starts the role's parts. They count on the claim on a SQLite file for as long
/// as they run.
async fn start(
    role: Role,
    config: Config,
    drain: &Drain,
    stop: &CancellationToken,
) -> anyhow::Result<(Parts, Option<Guarded>)> {
    chosen::tell(&config);
    let queue = queue(role, &config)?;
    let work = work(&config)?;
    let addresses = addresses(&config).await?;
    database::reach(&config.database_url).await?;
    // Before anything else opens or changes the file.
    let file = claim::take(
        &config.database_url,
        match queue.is_inside_the_process() {
            true => Use::Alone,
            false => Use::WithOthers,
        },
    )
    .await?;
    if role == Role::Everything {
        migrate_up(&config).await?;
    }
    let db = connect(role, &config, file.as_ref()).await?;
    database::check_rights(db.first(), db.parts()).await?;
    database::check_schema(db.first()).await?;
    database::check_durability(db.first()).await?;
    let tenancy = tenancy(&config, &queue);
    if matches!(tenancy, Tenancy::Exclusive) {
        // What processes with a broker have left is nobody's now.
        lifecycle::lease::forget_all(db.first()).await?;
    }
    let file = file.map(|claim| claim.guard(db.first().clone()));

    let mut parts = Parts::new();
    if let Some(databases) = db.api {
        let listener = listen(&addresses)?;
        start_api(
            &mut parts,
            &config,
            (listener, databases),
            &queue,
            (drain, stop),
        );
    }
    if let Some(db) = db.consumer {
        let settings = consumer::Settings {
            work,
            retries: config.retry_schedule.clone(),
            prefetch: config.prefetch(),
            tenancy,
            grace: config.shutdown_grace.mul_f64(GRACE_FOR_OTHERS),
        };
        let resources = consumer::Resources {
            db,
            queue: queue.clone(),
        };
        let stop = stop.clone();
        parts.spawn(async move { Ok(consumer::run(settings, resources, stop).await?) });
    }
    parts.spawn(check(queue, stop.clone()));
    Ok((parts, file))
}

/// Starts the HTTP side and the relay, which is told by it what to publish.
fn start_api(
    parts: &mut Parts,
    config: &Config,
    (listener, databases): (TcpListener, Databases),
    queue: &Queue,
    (drain, stop): (&Drain, &CancellationToken),
) {
    let settings = api::Settings {
        keep_alive: config.keep_alive,
        grace: config.shutdown_grace.mul_f64(GRACE_FOR_OTHERS),
    };
    let (sender, receiver) = relay::channel();
    let relay = relay::Resources {
        db: databases.write.clone(),
        queue: queue.clone(),
        hints: receiver,
    };
    let http = api::Resources {
        listener,
        databases,
        queue: queue.clone(),
        drain: drain.clone(),
        hints: sender,
    };
    let http = api::run(settings, http, stop.clone());
    let relay = relay::run(relay::Settings::default(), relay, stop.clone());
    parts.spawn(async move {
        http.await;
        Ok(())
    });
    parts.spawn(async move {
        relay.await;
        Ok(())
    });
}

/// Who else may work on the same transactions. A SQLite file with the queue inside the process is locked for that process
/// alone; everywhere else there are leases.
fn tenancy(config: &Config, queue: &Queue) -> Tenancy {
    let embedded = queue.is_inside_the_process();
    match embedded && config.database_url.is_sqlite() {
        true => Tenancy::Exclusive,
        false => Tenancy::Shared {
            lease: config.lease,
            embedded,
        },
    }
}

async fn migrate_up(config: &Config) -> anyhow::Result<()> {
    let db = database::for_migrations(&config.database_url).await?;
    let failed = "DATABASE_URL: the database does not tell its schema";
    // A newer version may have migrated already; what it added does not concern us.
    if !migration::pending(&db).await.context(failed)?.is_empty() {
        Migrator::up(&db, None)
            .await
            .map_err(database::cannot_migrate)?;
    }
    Ok(db.close().await?)
}

/// The pools that a role needs.
struct Pools {
    api: Option<Databases>,
    consumer: Option<DatabaseConnection>,
}

impl Pools {
    fn parts(&self) -> database::Parts {
        database::Parts {
            api: self.api.is_some(),
            consumer: self.consumer.is_some(),
        }
    }

    fn first(&self) -> &DatabaseConnection {
        match (&self.api, &self.consumer) {
            (Some(databases), _) => &databases.write,
            (None, Some(db)) => db,
            (None, None) => unreachable!("every role has a part"),
        }
    }
}

async fn connect(role: Role, config: &Config, file: Option<&Claim>) -> anyhow::Result<Pools> {
    let address = &config.database_url;
    let runs = |part| role == Role::Everything || role == part;
    if address.is_sqlite() {
        let write = database::connect(address, "writer", 1).await?;
        let api = Databases {
            read: database::sqlite_readers(address).await?,
            write: write.clone(),
            slots: Slots::SQLITE,
            file: file.map(Claim::file),
        };
        return Ok(Pools {
            api: runs(Role::Api).then_some(api),
            consumer: runs(Role::Consumer).then_some(write),
        });
    }
    let mut pools = Pools {
        api: None,
        consumer: None,
    };
    if runs(Role::Api) {
        pools.api = Some(Databases {
            write: database::connect(address, "api", WRITE_CONNECTIONS).await?,
            read: database::connect(address, "look-up", READ_CONNECTIONS).await?,
            slots: Slots::POSTGRES,
            file: None,
        });
    }
    if runs(Role::Consumer) {
        pools.consumer = Some(database::connect(address, "consumer", CONSUMER_CONNECTIONS).await?);
    }
    Ok(pools)
}

/// The work that the settings name.
fn work(config: &Config) -> anyhow::Result<Work> {
    let Some(url) = config.process_url.clone() else {
        return Ok(Work::Simulate {
            delay: config.processing_delay,
        });
    };
    let downstream = Downstream::new(http::Settings {
        url,
        secret: config.process_secret.clone(),
        timeout: config.process_timeout,
    });
    let downstream = downstream.map_err(|error| BadSetting(error.to_string()))?;
    Ok(Work::Http(downstream))
}

/// The queue that the settings name.
fn queue(role: Role, config: &Config) -> anyhow::Result<Queue> {
    let Some(url) = config.amqp_url.clone() else {
        if role != Role::Everything {
            let sentence = "AMQP_URL must be set, such as amqp://guest:guest@127.0.0.1:5672/%2f, because this process runs \
                            one role only";
            bail!(BadSetting(sentence.into()));
        }
        return Ok(Queue::Memory(memory::Queue::new()));
    };
    let ca = config.amqp_ca_file.as_ref().map(|file| {
        std::fs::read_to_string(file).map_err(|error| {
            BadSetting(format!(
                "AMQP_CA_FILE must name a file that can be read: {error}"
            ))
        })
    });
    let ca = ca.transpose()?;
    let host = gethostname::gethostname();
    let settings = amqp::Settings {
        url,
        ca,
        queue: config.amqp_queue.clone(),
        process: format!("{}-{}", host.to_string_lossy(), std::process::id()),
    };
    let broker = amqp::Broker::new(settings).map_err(|error| BadSetting(error.to_string()))?;
    Ok(Queue::Amqp(broker))
}

/// Whether what the broker has under our names is ours. Asked once, beside everything else: webhooks need only the database,
/// and a broker that is away, or will not have us just now, may be back. One that has something else there will not mend
/// itself.
async fn check(queue: Queue, stop: CancellationToken) -> anyhow::Result<()> {
    let declared = tokio::select! {
        declared = queue.declare() => declared,
        () = stop.cancelled() => return Ok(()),
    };
    match declared {
        Err(error @ queue::Error::Mismatch(_)) => {
            return Err(error).context("AMQP_QUEUE cannot be used");
        }
        // What it refuses has been logged, once for all connections.
        Ok(()) | Err(queue::Error::Denied(_)) => {}
        Err(error) => {
            tracing::warn!(event = "broker_away", %error, "AMQP_URL: the broker does not answer; trying on");
        }
    }
    stop.cancelled().await;
    Ok(())
}

/// Where to listen: the first of these that can be had.
async fn addresses(config: &Config) -> anyhow::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((config.host.as_str(), config.port)).await;
    let found = found.map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    ensure!(
        !found.is_empty(),
        BadSetting("HOST must be an IP address of this machine, or a name that has one".into())
    );
    Ok(found)
}

fn listen(addresses: &[SocketAddr]) -> anyhow::Result<TcpListener> {
    let mut failed = None;
    for address in addresses {
        let error = match listen_at(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        failed = Some((address, error));
    }
    let (address, error) = failed.context("no address to listen on")?;
    Err(error).with_context(|| format!("HOST and PORT: cannot listen on {address}"))
}

fn listen_at(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As `TcpListener::bind` does: a restart need not wait for the last process's connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// First signal: take leave of whoever sends, then stop, within the grace period. Second: leave at once.
async fn run_until_signal(
    mut parts: Parts,
    (drain, delay): (Drain, Option<Duration>),
    (stop, grace): (CancellationToken, Duration),
    mut signals: Signals,
) -> anyhow::Result<()> {
    tokio::select! {
        () = signals.next() => {}
        Some(ended) = parts.join_next() => {
            // No part ends by itself, except by a panic or because it cannot go on.
            ended.context("a part of the process failed")??;
            bail!(std::io::Error::from(ErrorKind::UnexpectedEof));
        }
    }
    tracing::info!(event = "stopping", ?grace, "stopping");
    tokio::select! {
        () = drain.run(delay) => {}
        () = signals.next() => logging::exit(LEFT_AT_ONCE),
    }
    stop.cancel();
    let all_ended = async {
        while let Some(ended) = parts.join_next().await {
            ended.context("a part of the process failed")??;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = tokio::time::timeout(grace, all_ended) => match ended {
            Ok(ended) => ended?,
            Err(_) => tracing::warn!(event = "grace_over", "the grace period is over; what is in flight will be redelivered"),
        },
        () = signals.next() => logging::exit(LEFT_AT_ONCE),
    }
    tracing::info!(event = "stopped", "stopped");
    Ok(())
}
