//! Which path leads where, and the document that says so.

use poem::{
    EndpointExt, Route,
    endpoint::{BoxEndpoint, make_sync},
    get,
    middleware::CatchPanic,
    web::Html,
};
use poem_openapi::{OpenApiService, Tags};
use queue::Queue;

use crate::{
    Databases, admission, attempts::Attempts, health::Health, problem, transactions::Transactions,
    webhooks::Webhooks, writer::Writer,
};

#[derive(Tags)]
pub(crate) enum Tag {
    /// Receiving.
    Webhooks,
    /// Looking up.
    Transactions,
    /// For load balancers and orchestrators.
    Health,
}

type Service = OpenApiService<(Webhooks, Transactions, Attempts, Health), ()>;

fn service(writer: Writer, databases: &Databases, queue: &Queue) -> Service {
    let webhooks = Webhooks { writer };
    let transactions = Transactions {
        db: databases.read.clone(),
    };
    let attempts = Attempts {
        db: databases.read.clone(),
    };
    let health = Health {
        db: databases.read.clone(),
        queue: queue.clone(),
    };
    OpenApiService::new(
        (webhooks, transactions, attempts, health),
        "Hookline",
        env!("CARGO_PKG_VERSION"),
    )
    .description(
        "Takes payment-transaction webhooks, answers at once, and finishes each transaction in the \
         background exactly once. Every error is `application/problem+json` (RFC 9457).",
    )
}

/// The OpenAPI document, as JSON.
pub fn openapi() -> String {
    let nowhere = sea_orm::DatabaseConnection::default();
    let databases = Databases {
        write: nowhere.clone(),
        read: nowhere,
        commits_at_once: 1,
    };
    let queue = Queue::Memory(queue::memory::Queue::new());
    service(crate::writer::channel().0, &databases, &queue).spec()
}

/// Everything that answers.
pub(crate) fn routes(
    writer: Writer,
    databases: &Databases,
    queue: &Queue,
) -> BoxEndpoint<'static, poem::Response> {
    let service = service(writer.clone(), databases, queue);
    let docs = service.swagger_ui_html();
    Route::new()
        .at("/docs", get(make_sync(move |_| Html(docs.clone()))))
        .at("/openapi.json", get(service.spec_endpoint()))
        .nest("/", service)
        .around(move |endpoint, request| admission::admit(writer.clone(), endpoint, request))
        .around(problem::outermost)
        .with(CatchPanic::new().with_handler(problem::panicked))
        .map_to_response()
        .boxed()
}
