//! Which path leads where, and the document that says so.

use std::{collections::HashMap, sync::Arc, time::Instant};

use poem::{
    Endpoint, EndpointExt, Request, Response, Route, RouteMethod, get,
    http::{Method, StatusCode},
    middleware::CatchPanic,
};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService, ServerObject};
use queue::Queue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trace::Tracer;

use crate::{
    Databases, Drain, Sources, Tokens,
    access::Access,
    admission::Admission,
    attempts::Attempts,
    conflicts::Conflicts,
    docs::Document,
    door::Door,
    edge,
    events::{Events, Room},
    export::Exports,
    failures::Failures,
    gate::Gate,
    health::{Health, Needs},
    list::List,
    mend::{Operators, audit::Audit, many::Many, one::One, pauses::Pauses},
    metrics::{Outcome, SourceMetrics},
    openapi::{self, Described},
    paths,
    refusals::{self, Refusals},
    scrape::Scrape,
    slots::Slots,
    source_transactions::SourceTransactions,
    space::Space,
    summary::Summaries,
    transactions::Transactions,
    waiting::Waiting,
    webhooks::Webhooks,
    writer::{self, Writer},
};

/// What answers, and is no part of the document.
const UNDOCUMENTED: [&str; 3] = ["/docs", "/openapi.json", "/metrics"];
/// The content type of `/docs`.
const HTML: &str = "text/html; charset=utf-8";

type Operations = (Receiving, LookingUp, Mending, Health);
type Receiving = (Webhooks, Door);
type LookingUp = (
    List,
    Exports,
    Summaries,
    Transactions,
    Attempts,
    Conflicts,
    SourceTransactions,
    Failures,
    Refusals,
    Events,
);
type Mending = (One, Many, Pauses, Audit);
type Service = OpenApiService<Described<Operations>, ()>;

/// Who stays on the line.
#[derive(Clone)]
pub(crate) struct Listeners {
    pub(crate) waiting: Waiting,
    pub(crate) room: Room,
}

impl Listeners {
    /// Nobody stays when the process stops.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            waiting: Waiting::default(),
            room: Room::new(stop),
        }
    }
}

/// What webhooks come in by.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) writer: Writer,
    pub(crate) admission: Admission,
    pub(crate) gate: Gate,
    pub(crate) space: Space,
    /// Where arrivals are traced.
    pub(crate) tracer: Tracer,
}

impl Ways {
    fn webhooks(&self) -> Webhooks {
        Webhooks {
            writer: self.writer.clone(),
            admission: self.admission.clone(),
            gate: self.gate.clone(),
            metrics: self.built_in(),
            tracer: self.tracer.clone(),
        }
    }

    fn built_in(&self) -> Arc<SourceMetrics> {
        self.gate.sources().built_in_metrics().clone()
    }

    fn door(&self) -> Door {
        Door {
            writer: self.writer.clone(),
            admission: self.admission.clone(),
            gate: self.gate.clone(),
            space: self.space.clone(),
            tracer: self.tracer.clone(),
        }
    }
}

fn service(ways: &Ways, databases: &Databases, needs: Needs, listeners: &Listeners) -> Service {
    let db = || databases.read.clone();
    let operators = Operators::new(databases.write.clone());
    let receiving = (ways.webhooks(), ways.door());
    let looking_up = (
        List { db: db() },
        Exports { db: db() },
        Summaries::new(db()),
        Transactions {
            db: db(),
            waiting: listeners.waiting.clone(),
        },
        Attempts { db: db() },
        Conflicts { db: db() },
        SourceTransactions {
            db: db(),
            waiting: listeners.waiting.clone(),
        },
        Failures { db: db() },
        Refusals { db: db() },
        Events {
            db: db(),
            room: listeners.room.clone(),
        },
    );
    let mending = (
        One {
            operators: operators.clone(),
        },
        Many {
            operators: operators.clone(),
            db: db(),
        },
        Pauses {
            operators,
            db: db(),
        },
        Audit { db: db() },
    );
    let operations = (receiving, looking_up, mending, Health::new(needs));
    OpenApiService::new(
        Described(operations),
        "Hookline",
        env!("CARGO_PKG_VERSION"),
    )
    .description(
        "Takes webhooks, those of payment transactions above all, answers at once, and finishes each transaction in the \
         background exactly once. Every error is `application/problem+json` (RFC 9457), but where a source's sender \
         expects something else.",
    )
    .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
    .server(ServerObject::new("/").description("Where this document came from"))
    .server(ServerObject::new("http://127.0.0.1:8000").description("The defaults, on this machine"))
}

/// The OpenAPI document, as JSON.
pub fn openapi() -> String {
    let nowhere = sea_orm::DatabaseConnection::default();
    let databases = Databases {
        write: nowhere.clone(),
        read: nowhere,
        slots: Slots::SQLITE,
        file: None,
    };
    let (_, sources) = watch::channel(Default::default());
    let ways = Ways {
        writer: writer::channel().0,
        admission: Admission::new(databases.slots),
        gate: Gate::new(sources.clone(), refusals::channel().0),
        space: Space::default(),
        tracer: Tracer::default(),
    };
    let queue = Queue::Memory(queue::memory::Queue::new());
    let (_, tokens) = watch::channel(Arc::new(Tokens::default()));
    let needs = needs(&databases, queue, Drain::default(), sources, tokens);
    let listeners = Listeners::new(CancellationToken::new());
    openapi::closed(&service(&ways, &databases, needs, &listeners).spec())
}

/// What it needs to receive webhooks.
pub(crate) fn needs(
    databases: &Databases,
    queue: Queue,
    drain: Drain,
    sources: watch::Receiver<Arc<Sources>>,
    tokens: watch::Receiver<Arc<Tokens>>,
) -> Needs {
    Needs {
        db: databases.write.clone(),
        writes: true,
        file: databases.file.clone(),
        queue,
        drain,
        sources: Some(sources),
        tokens,
        lease: None,
    }
}

/// Everything that answers, and the routes that lead there, as they are documented.
pub(crate) fn routes(
    ways: &Ways,
    databases: &Databases,
    needs: Needs,
    (access, scrape): (Access, Scrape),
    listeners: &Listeners,
) -> (impl Endpoint<Output = Response> + use<>, Vec<String>) {
    let service = service(ways, databases, needs, listeners);
    let document = openapi::closed(&service.spec());
    let mut routes = documented(&document);
    routes.extend(UNDOCUMENTED.map(str::to_owned));
    let docs = Document::new(HTML, openapi::closed(&service.swagger_ui_html()));
    let openapi = Document::new("application/json", document);
    let others = Route::new()
        .at("/docs", get(docs))
        .at("/openapi.json", get(openapi))
        .at("/metrics", get(scrape))
        .nest("/", service)
        .data(access);
    let webhooks = operations(ways.webhooks()).into_values();
    let events = operations(ways.door()).into_iter();
    let endpoint = TopLevel {
        metrics: ways.built_in(),
        webhooks: webhooks.fold(RouteMethod::new(), |_, operations| operations),
        events: events.fold(Route::new(), |route, (path, operations)| {
            route.at(path, operations)
        }),
        others,
    }
    .around(edge::around)
    .with(CatchPanic::new().with_handler(edge::panicked));
    (endpoint, routes)
}

/// The paths of an OpenAPI document.
fn documented(openapi: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Paths {
        paths: HashMap<String, serde::de::IgnoredAny>,
    }
    // It is ours, and a test reads it.
    let read = serde_json::from_str(openapi);
    read.map_or_else(
        |_| Vec::new(),
        |Paths { paths }| paths.into_keys().collect(),
    )
}

/// What answers at an address for operators alone.
pub(crate) fn alone(needs: Needs, scrape: Scrape) -> impl Endpoint<Output = Response> + use<> {
    let health = operations(Health::new(needs)).into_iter();
    let route = health.fold(Route::new(), |route, (path, operations)| {
        route.at(path, operations)
    });
    route
        .at("/metrics", get(scrape))
        .around(edge::around)
        .with(CatchPanic::new().with_handler(edge::panicked))
}

/// The operations of `api` by their paths, without the way there.
fn operations(api: impl OpenApi) -> HashMap<String, RouteMethod> {
    let mut operations = HashMap::new();
    api.add_routes(&mut operations);
    let operations = operations.into_iter();
    let by_path = operations.map(|(path, operations)| {
        let route = RouteMethod::new();
        let operations = operations.into_iter();
        let route = operations.fold(route, |route, (method, operation)| {
            route.method(method, operation)
        });
        (path, route)
    });
    by_path.collect()
}

/// Tells webhooks from everything else, because the way through the routes costs as much as reading one.
struct TopLevel<E> {
    /// What is counted of the built-in source.
    metrics: Arc<SourceMetrics>,
    /// Of the built-in source.
    webhooks: RouteMethod,
    /// Of all others.
    events: Route,
    others: E,
}

impl<E: Endpoint<Output = Response>> Endpoint for TopLevel<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match request.uri().path() {
            paths::WEBHOOKS => self.receive(request).await,
            path if paths::tidy_source(path).is_some() => self.events.call(request).await,
            _ => self.others.call(request).await,
        }
    }
}

impl<E> TopLevel<E> {
    /// A webhook of the built-in source.
    async fn receive(&self, request: Request) -> poem::Result<Response> {
        if request.method() != Method::POST {
            return self.webhooks.call(request).await;
        }
        let began = Instant::now();
        let answer = self.webhooks.call(request).await;
        let status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.status(),
        };
        self.metrics.answered(status, began.elapsed());
        // What is not proven has been counted as that.
        if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
            self.metrics.came_to(Outcome::Invalid, 1);
        }
        answer
    }
}
