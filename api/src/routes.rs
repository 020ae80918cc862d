//! Which path leads where, and the document that says so.

use std::collections::HashMap;

use poem::{
    Endpoint, EndpointExt, Request, Response, Route, RouteMethod, get, middleware::CatchPanic,
};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService, ServerObject};
use queue::Queue;

use crate::{
    Databases, Drain,
    admission::Admission,
    attempts::Attempts,
    docs::Document,
    edge,
    health::Health,
    openapi::Described,
    paths,
    slots::Slots,
    transactions::Transactions,
    webhooks::Webhooks,
    writer::{self, Writer},
};

/// The content type of `/docs`.
const HTML: &str = "text/html; charset=utf-8";

type Service = OpenApiService<Described<(Webhooks, Transactions, Attempts, Health)>, ()>;

fn service(webhooks: Webhooks, databases: &Databases, queue: &Queue, drain: Drain) -> Service {
    let transactions = Transactions {
        db: databases.read.clone(),
    };
    let attempts = Attempts {
        db: databases.read.clone(),
    };
    let health = Health::new(
        databases.write.clone(),
        databases.file.clone(),
        queue.clone(),
        drain,
    );
    OpenApiService::new(
        Described((webhooks, transactions, attempts, health)),
        "Hookline",
        env!("CARGO_PKG_VERSION"),
    )
    .description(
        "Takes payment-transaction webhooks, answers at once, and finishes each transaction in the \
         background exactly once. Every error is `application/problem+json` (RFC 9457).",
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
    let queue = Queue::Memory(queue::memory::Queue::new());
    let webhooks = Webhooks {
        writer: writer::channel().0,
        admission: Admission::new(databases.slots),
    };
    service(webhooks, &databases, &queue, Drain::default()).spec()
}

/// Everything that answers.
pub(crate) fn routes(
    writer: Writer,
    admission: Admission,
    databases: &Databases,
    queue: &Queue,
    drain: Drain,
) -> impl Endpoint<Output = Response> + use<> {
    let webhooks = || Webhooks {
        writer: writer.clone(),
        admission: admission.clone(),
    };
    let service = service(webhooks(), databases, queue, drain);
    let docs = Document::new(HTML, service.swagger_ui_html());
    let openapi = Document::new("application/json", service.spec());
    let others = Route::new()
        .at("/docs", get(docs))
        .at("/openapi.json", get(openapi))
        .nest("/", service);
    TopLevel {
        webhooks: operations(webhooks(), paths::WEBHOOKS),
        others,
    }
    .around(edge::around)
    .with(CatchPanic::new().with_handler(edge::panicked))
}

/// The operations of `api` at `path`, without the way there.
fn operations(api: impl OpenApi, path: &str) -> RouteMethod {
    let mut operations = HashMap::new();
    api.add_routes(&mut operations);
    let at_path = operations.remove(path).into_iter().flatten();
    at_path.fold(RouteMethod::new(), |route, (method, operation)| {
        route.method(method, operation)
    })
}

/// Tells webhooks from everything else, because the way through the routes costs as much as reading one.
struct TopLevel {
    webhooks: RouteMethod,
    others: Route,
}

impl Endpoint for TopLevel {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match request.uri().path() {
            paths::WEBHOOKS => self.webhooks.call(request).await,
            _ => self.others.call(request).await,
        }
    }
}
