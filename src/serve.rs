//! Start and stop: connects what a role needs, runs it until a signal, and takes it down in order.

mod given;

use std::{io::ErrorKind, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use api::{Databases, Drain, FileWatch, Needs, Sources, Tokens, alone, relay};
use consumer::Tenancy;
use entity::lifecycle;
use meter::Registry;
use migration::{Migrator, MigratorTrait};
use queue::Queue;
use sea_orm::DatabaseConnection;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use trace::{Exporting, Tracer};

use crate::{
    alerts::{self, Post},
    claim::{self, Claim, Guarded, Use},
    config::Config,
    database, duty, figures,
    listen::{self, Addresses},
    logging,
    pools::{self, Pools},
    reread::AGAIN_EVERY,
    role::Role,
    settings,
    signals::{self, Signals},
    sources, tokens, traces,
};
use given::Given;

/// Exit code after a second signal, as shells report a death by SIGINT.
const LEFT_AT_ONCE: i32 = 130;

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
    let Started {
        parts,
        file,
        exporting,
    } = tokio::select! {
        started = start(role, config, &drain, &stop) => started?,
        () = signals.next() => {
            tracing::info!(event = "stopped", "stopped before it had started");
            return Ok(());
        }
    };
    let ended = run_until_signal(parts, (drain, delay), (stop, grace), signals).await;
    if let Some(exporting) = exporting {
        exporting.end().await;
    }
    ended?;
    match file {
        Some(file) => file.release().await,
        None => Ok(()),
    }
}

type Parts = JoinSet<anyhow::Result<()>>;

/// A role that runs.
struct Started {
    parts: Parts,
    /// The claim on a SQLite file.
    file: Option<Guarded>,
    /// The export of spans, which nobody waits for.
    exporting: Option<Exporting>,
}

/// Connects what a role needs, checks it, and starts the role's parts. They count on the claim on a SQLite file for as long
/// as they run.
async fn start(
    role: Role,
    config: Config,
    drain: &Drain,
    stop: &CancellationToken,
) -> anyhow::Result<Started> {
    let Given {
        queue,
        work,
        post,
        sources,
        tokens,
        traces,
        addresses,
        admin_addresses,
    } = Given::read(role, &config).await?;
    database::reach(&config.database_url).await?;
    // Before anything else opens or changes the file.
    let file = take_file(&config, &queue).await?;
    if role == Role::Everything {
        migrate_up(&config).await?;
    }
    let db = pools::connect(role, &config, file.as_ref()).await?;
    let tenancy = settings::tenancy(&config, &queue);
    check_database(role, &config, &db, tenancy).await?;
    let looked_at = file.as_ref().map(Claim::file);
    let file = file.map(|claim| claim.guard(db.first().clone()));

    let (leased, has_lease) = watch::channel(false);
    let needs = Needs {
        sources: sources.as_ref().map(sources::Watch::sources),
        lease: role.has_consumer().then_some(has_lease),
        ..needs(role, db.first(), looked_at, (&queue, drain), &tokens)
    };
    let mut parts = Parts::new();
    let registry = Registry::default();
    let (tracer, exporting) = traces::start(traces, &config, &queue, &registry);
    let process = Arc::new(figures::Process::new(role, queue.clone(), db.by_purpose()));
    registry.add(process.clone());
    if let (Some(databases), Some(sources)) = (db.api, sources) {
        let listener = listen::listen(&addresses)?;
        warn_if_open(&listener, &needs.tokens);
        let told = (registry.clone(), tracer.clone());
        let watched = (sources.sources(), tokens.tokens(), told);
        let watch = (sources.sources(), process, post.clone());
        start_duty(&mut parts, (&databases, tenancy), watch, &registry, stop);
        let way_in = (listener, databases);
        start_api(&mut parts, &config, way_in, &queue, watched, (drain, stop));
        parts.spawn(sources.run(AGAIN_EVERY, stop.clone()));
    }
    if let Some(addresses) = admin_addresses {
        start_alone(&mut parts, &config, &addresses, (needs, &registry), stop)?;
    }
    parts.spawn(tokens.run(AGAIN_EVERY, stop.clone()));
    if let Some(db) = db.consumer {
        let settings = settings::consumer(&config, work, tenancy);
        let resources = consumer::Resources {
            db,
            queue: queue.clone(),
            metrics: Arc::default(),
            leased,
            tracer,
        };
        registry.add(resources.metrics.clone());
        start_consumer(&mut parts, settings, resources, post, stop);
    }
    parts.spawn(check(queue, stop.clone()));
    Ok(Started {
        parts,
        file,
        exporting,
    })
}

/// What the HTTP side is told while it runs, and where it tells its figures and its spans.
type Watched = (
    watch::Receiver<Arc<Sources>>,
    watch::Receiver<Arc<Tokens>>,
    (Registry, Tracer),
);

/// What a process needs to be ready, whatever its role.
fn needs(
    role: Role,
    db: &DatabaseConnection,
    file: Option<FileWatch>,
    (queue, drain): (&Queue, &Drain),
    tokens: &tokens::Watch,
) -> Needs {
    Needs {
        db: db.clone(),
        writes: role.has_api(),
        file,
        queue: queue.clone(),
        drain: drain.clone(),
        sources: None,
        tokens: tokens.tokens(),
        lease: None,
    }
}

/// Whether the database is as the role needs it. Who has it alone takes over what others have left.
async fn check_database(
    role: Role,
    config: &Config,
    db: &Pools,
    tenancy: Tenancy,
) -> anyhow::Result<()> {
    database::check_rights(db.first(), db.parts()).await?;
    if role.has_api() {
        database::check_retention(db.first(), &config.retention.limits()).await?;
    }
    database::check_schema(db.first()).await?;
    database::check_durability(db.first()).await?;
    if matches!(tenancy, Tenancy::Exclusive) {
        // What processes with a broker have left is nobody's now.
        lifecycle::lease::forget_all(db.first()).await?;
    }
    Ok(())
}

/// Starts what one process does for all.
fn start_duty(
    parts: &mut Parts,
    (databases, tenancy): (&Databases, Tenancy),
    (sources, process, post): (
        watch::Receiver<Arc<Sources>>,
        Arc<figures::Process>,
        Option<Post>,
    ),
    registry: &Registry,
    stop: &CancellationToken,
) {
    let duty = duty::Resources {
        write: databases.write.clone(),
        read: databases.read.clone(),
        sources,
        holders_are_known: !matches!(tenancy, Tenancy::Exclusive),
        process,
        database: Arc::default(),
        post,
    };
    registry.add(duty.database.clone());
    parts.spawn(without_error(duty::run(duty, stop.clone())));
}

/// Starts the consumer, and what tells operators of its circuit.
fn start_consumer(
    parts: &mut Parts,
    settings: consumer::Settings,
    resources: consumer::Resources,
    post: Option<Post>,
    stop: &CancellationToken,
) {
    if let Some(post) = post {
        let (db, metrics) = (resources.db.clone(), resources.metrics.clone());
        let circuit = alerts::circuit::run(db, metrics, post, settings::process(), stop.clone());
        parts.spawn(without_error(circuit));
    }
    let stop = stop.clone();
    parts.spawn(async move { Ok(consumer::run(settings, resources, stop).await?) });
}

/// Claims the SQLite file, if the database is one.
async fn take_file(config: &Config, queue: &Queue) -> anyhow::Result<Option<Claim>> {
    let how = match queue.is_inside_the_process() {
        true => Use::Alone,
        false => Use::WithOthers,
    };
    claim::take(&config.database_url, how).await
}

/// Starts what answers operators at an address of their own.
fn start_alone(
    parts: &mut Parts,
    config: &Config,
    addresses: &Addresses,
    (needs, registry): (Needs, &Registry),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let listener = listen::listen(addresses)?;
    warn_if_open(&listener, &needs.tokens);
    let resources = alone::Resources {
        listener,
        needs,
        registry: registry.clone(),
    };
    let alone = alone::run(settings::api(config), resources, stop.clone());
    parts.spawn(async move {
        alone.await;
        Ok(())
    });
    Ok(())
}

/// Starts the HTTP side and the relay, which is told by it what to publish.
fn start_api(
    parts: &mut Parts,
    config: &Config,
    (listener, databases): (TcpListener, Databases),
    queue: &Queue,
    (sources, tokens, (registry, tracer)): Watched,
    (drain, stop): (&Drain, &CancellationToken),
) {
    let (sender, receiver) = relay::channel();
    let relay = relay::Resources {
        db: databases.write.clone(),
        queue: queue.clone(),
        hints: receiver,
        registry: registry.clone(),
        tracer: tracer.clone(),
    };
    let http = api::Resources {
        listener,
        databases,
        queue: queue.clone(),
        drain: drain.clone(),
        hints: sender,
        sources,
        registry,
        tokens,
        limits: config.retention.limits(),
        tracer,
    };
    let http = api::run(settings::api(config), http, stop.clone());
    let relay = relay::run(relay::Settings::default(), relay, stop.clone());
    parts.spawn(without_error(http));
    parts.spawn(without_error(relay));
}

/// A part that does not end by itself.
async fn without_error(part: impl Future<Output = ()>) -> anyhow::Result<()> {
    part.await;
    Ok(())
}

/// Says it once, where others than this machine may reach what nothing guards.
fn warn_if_open(listener: &TcpListener, tokens: &watch::Receiver<Arc<Tokens>>) {
    let address = listener.local_addr();
    if let Ok(address) = address
        && !address.ip().is_loopback()
        && !tokens.borrow().guard_reads()
    {
        tracing::warn!(
            event = "reads_open",
            %address,
            "READ_TOKEN is not set: whoever reaches this address may read everything"
        );
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
