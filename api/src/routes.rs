//! Which path leads where, and the document that says so.

use std::{collections::HashMap, sync::Arc};

use poem::{
    Endpoint, EndpointExt, Request, Response, Route, RouteMethod, get, middleware::CatchPanic,
};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService, ServerObject};
use queue::Queue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Databases, Drain, Sources, Tokens,
    access::Access,
    admission::Admission,
    attempts::Attempts,
    docs::Document,
    door::Door,
    edge,
    events::{Events, Room},
    failures::Failures,
    gate::Gate,
    health::{Health, Needs},
    list::List,
    mend::{Operators, audit::Audit, many::Many, one::One, pauses::Pauses},
    openapi::{self, Described},
    paths,
    refusals::{self, Refusals},
    slots::Slots,
    source_transactions::SourceTransactions,
    space::Space,
    transactions::Transactions,
    waiting::Waiting,
    webhooks::Webhooks,
    writer::{self, Writer},
};

/// The content type of `/docs`.
const HTML: &str = "text/html; charset=utf-8";

type Operations = (
    Webhooks,
    Door,
    List,
    Transactions,
    Attempts,
    SourceTransactions,
    Failures,
    Refusals,
    Events,
    One,
    Many,
    Pauses,
    Audit,
    Health,
);
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
}

impl Ways {
    fn webhooks(&self) -> Webhooks {
        Webhooks {
            writer: self.writer.clone(),
            admission: self.admission.clone(),
            gate: self.gate.clone(),
        }
    }

    fn door(&self) -> Door {
        Door {
            writer: self.writer.clone(),
            admission: self.admission.clone(),
            gate: self.gate.clone(),
            space: self.space.clone(),
        }
    }
}

fn service(ways: &Ways, databases: &Databases, needs: Needs, listeners: &Listeners) -> Service {
    let db = || databases.read.clone();
    let operators = Operators::new(databases.write.clone());
    let operations = (
        ways.webhooks(),
        ways.door(),
        List { db: db() },
        Transactions {
            db: db(),
            waiting: listeners.waiting.clone(),
        },
        Attempts { db: db() },
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
        Health::new(needs),
    );
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

/// Everything that answers.
pub(crate) fn routes(
    ways: &Ways,
    databases: &Databases,
    needs: Needs,
    access: Access,
    listeners: &Listeners,
) -> impl Endpoint<Output = Response> + use<> {
    let service = service(ways, databases, needs, listeners);
    let docs = Document::new(HTML, openapi::closed(&service.swagger_ui_html()));
    let openapi = Document::new("application/json", openapi::closed(&service.spec()));
    let others = Route::new()
        .at("/docs", get(docs))
        .at("/openapi.json", get(openapi))
        .nest("/", service)
        .data(access);
    let webhooks = operations(ways.webhooks()).into_values();
    let events = operations(ways.door()).into_iter();
    TopLevel {
        webhooks: webhooks.fold(RouteMethod::new(), |_, operations| operations),
        events: events.fold(Route::new(), |route, (path, operations)| {
            route.at(path, operations)
        }),
        others,
    }
    .around(edge::around)
    .with(CatchPanic::new().with_handler(edge::panicked))
}

/// What answers at an address for operators alone.
pub(crate) fn health(needs: Needs) -> impl Endpoint<Output = Response> + use<> {
    let health = operations(Health::new(needs)).into_iter();
    let route = health.fold(Route::new(), |route, (path, operations)| {
        route.at(path, operations)
    });
    route
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
            paths::WEBHOOKS => self.webhooks.call(request).await,
            path if paths::tidy_source(path).is_some() => self.events.call(request).await,
            _ => self.others.call(request).await,
        }
    }
}
