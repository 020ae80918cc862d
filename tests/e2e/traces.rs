//! Traces, as a collector and downstream see them.

pub(crate) mod collector;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use entity::transaction;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Response;
use rustix::process::Signal;
use sea_orm::EntityTrait as _;

use crate::{
    downstream::server::{Answer, Downstream},
    faults::{until, until_ready},
    harness::{Harness, on_both, webhook},
    processes::run,
};
use collector::{Answers, Collector, Told};

const SENDER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

on_both! {
    a_webhook_is_one_trace_over_all_that_have_to_do_with_it
}

pub(crate) fn ok(_: usize) -> Answer {
    (200, Duration::ZERO)
}

/// Has everything that is started export to this collector, soon, and call this downstream.
pub(crate) fn set(harness: &mut Harness, collector: &Collector, downstream: &Downstream) {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("PROCESS_URL", &downstream.url),
        ("RETRY_SCHEDULE", "100ms"),
    ] {
        harness.environment.insert(variable, value.into());
    }
}

/// Starts everything: in processes of their own where there is a broker. Returns where the API listens.
async fn start(harness: &mut Harness) -> String {
    if !harness.environment.contains_key("AMQP_URL") {
        return harness.start("").await.url();
    }
    let migrated = run(
        harness.folder.path(),
        &["migrate", "up"],
        &harness.environment,
    );
    assert_eq!(migrated.await.code, Some(0));
    harness.start("consumer").await;
    let api = harness.start("api").await.url();
    until_ready(harness, &api).await;
    api
}

/// Sends a webhook of somebody who traces, too.
async fn send_traced(harness: &Harness, api: &str, id: &str, traceparent: &str) {
    let request = (harness
        .client
        .post(format!("{api}/v1/webhooks/transactions")))
    .header("content-type", "application/json")
    .header("traceparent", traceparent)
    .body(webhook(id).to_string());
    let response: Response = request.send().await.unwrap();
    assert_eq!(response.status(), 202);
}

/// The one span of this kind.
fn one(spans: &[Told], kind: SpanKind) -> &Told {
    let those: Vec<&Told> = spans.iter().filter(|span| span.kind == kind).collect();
    assert_eq!(those.len(), 1, "{kind:?}: {spans:#?}");
    those[0]
}

fn names(span: &Told) -> BTreeSet<&str> {
    span.attributes.keys().map(String::as_str).collect()
}

const MESSAGE: [&str; 5] = [
    "messaging.destination.name",
    "messaging.message.id",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.system",
];

async fn a_webhook_is_one_trace_over_all_that_have_to_do_with_it(harness: &mut Harness) {
    let (collector, downstream) = (
        Collector::start(Answers::Ok).await,
        Downstream::start(ok).await,
    );
    set(harness, &collector, &downstream);
    let api = start(harness).await;
    send_traced(harness, &api, "t1", SENDER).await;
    harness.processed(&api, "t1").await;
    let spans = collector.told(4).await;

    let db = harness.database().await;
    let row = transaction::Entity::find().one(&db).await;
    let row = row.unwrap().unwrap().id;
    for span in &spans {
        assert_eq!(span.trace, row.simple().to_string());
        assert!(!span.has_failed && span.began <= span.ended, "{span:?}");
        assert_eq!(span.process["service.name"], "hookline");
    }
    let arrival = one(&spans, SpanKind::Server);
    assert_eq!(arrival.name, "POST /v1/webhooks/transactions");
    assert_eq!(arrival.parent, "");
    let theirs: Vec<&str> = SENDER.split('-').collect();
    assert_eq!(arrival.links, [(theirs[1].into(), theirs[2].into())]);
    assert_eq!(arrival.is("http.response.status_code"), "202");
    assert_eq!(arrival.is("hookline.transaction_id"), "t1");
    assert_eq!(arrival.is("hookline.outcome"), "accepted");

    let (publish, process) = (
        one(&spans, SpanKind::Producer),
        one(&spans, SpanKind::Consumer),
    );
    let has_broker = harness.environment.contains_key("AMQP_URL");
    for span in [publish, process] {
        assert_eq!(span.parent, arrival.id);
        assert_eq!(span.is("messaging.message.id"), row.to_string());
        assert!(names(span).is_superset(&MESSAGE.into()), "{span:?}");
        assert_eq!(span.attributes.contains_key("server.address"), has_broker);
        let operation = span.is("messaging.operation.name");
        let destination = span.is("messaging.destination.name");
        assert_eq!(span.name, format!("{operation} {destination}"));
        assert!(span.links.is_empty());
    }
    assert_eq!(process.is("hookline.outcome"), "processed");
    let instances: BTreeSet<&str> = (spans.iter())
        .map(|span| span.process["service.instance.id"].as_str())
        .collect();
    assert_eq!(instances.len(), if has_broker { 2 } else { 1 });

    let call = one(&spans, SpanKind::Client);
    assert_eq!((call.name.as_str(), &call.parent), ("POST", &process.id));
    assert_eq!(call.is("url.full"), downstream.url);
    assert_eq!(call.is("http.response.status_code"), "200");
    assert!(!call.attributes.contains_key("http.request.resend_count"));
    let told = format!("00-{}-{}-01", call.trace, call.id);
    assert_eq!(downstream.calls()[0].header("traceparent"), told);
}

#[tokio::test]
async fn what_comes_again_and_what_is_tried_again_are_in_the_trace_of_the_row() {
    let mut harness = Harness::embedded();
    let (collector, downstream) = (
        Collector::start(Answers::Ok).await,
        Downstream::start(|number| ([503, 200][number.min(1)], Duration::ZERO)).await,
    );
    set(&mut harness, &collector, &downstream);
    let api = start(&mut harness).await;
    // Nothing can be made of that, and it does no harm.
    send_traced(&harness, &api, "t1", "00-zz").await;
    harness.processed(&api, "t1").await;
    harness.send(&api, "t1").await;
    let other = webhook("t1").to_string().replace("1500", "2500");
    assert_eq!(harness.post(&api, other).await.status(), 202);
    let spans = collector.told(9).await;

    let traces: BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let of = |kind: SpanKind| -> Vec<&Told> {
        let mut those: Vec<&Told> = spans.iter().filter(|span| span.kind == kind).collect();
        those.sort_by_key(|span| span.began);
        those
    };
    let arrivals = of(SpanKind::Server);
    let outcomes: Vec<_> = arrivals
        .iter()
        .map(|span| span.is("hookline.outcome"))
        .collect();
    assert_eq!(outcomes, ["accepted", "duplicate", "conflict"]);
    let first = arrivals[0];
    assert!(first.links.is_empty());
    assert!(arrivals[1..].iter().all(|span| span.parent == first.id));

    let runs = of(SpanKind::Consumer);
    let came_to: Vec<_> = runs.iter().map(|run| run.is("hookline.outcome")).collect();
    assert_eq!(came_to, ["retry", "processed"]);
    let calls = of(SpanKind::Client);
    for (call, run) in calls.iter().zip(&runs) {
        assert_eq!(call.parent, run.id);
        assert_eq!(call.has_failed, run.has_failed);
    }
    assert!(calls[0].has_failed && !calls[1].has_failed);
    assert_eq!(
        (calls[0].is("error.type"), calls[1].is("error.type")),
        ("503", "")
    );
    assert_eq!(runs[0].is("error.type"), "503");
    assert_eq!(calls[1].is("http.request.resend_count"), "1");
    for (call, asked) in calls.iter().zip(downstream.calls()) {
        assert!(asked.header("traceparent").contains(&call.id));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_goes_on_in_the_trace_of_one_that_was_killed() {
    let mut harness = Harness::migrated().await;
    let (collector, downstream) = (
        Collector::start(Answers::Ok).await,
        Downstream::start(|number| (200, Duration::from_secs([3600, 0][number.min(1)]))).await,
    );
    set(&mut harness, &collector, &downstream);
    let api = harness.start("api").await.url();
    until_ready(&harness, &api).await;
    let killed = harness.process("consumer").await;
    harness.send(&api, "t1").await;
    until(async || downstream.calls().len() == 1, || "no call".into()).await;
    killed.kill().await;
    harness.start("consumer").await;
    harness.processed(&api, "t1").await;
    let has = |kind| collector.spans().iter().any(|span| span.kind == kind);
    until(
        async || has(SpanKind::Consumer) && has(SpanKind::Client),
        || format!("{:#?}", collector.spans()),
    )
    .await;
    let spans = collector.spans();
    let arrival = one(&spans, SpanKind::Server);
    assert!(spans.iter().all(|span| span.trace == arrival.trace));
    let (run, call) = (
        one(&spans, SpanKind::Consumer),
        one(&spans, SpanKind::Client),
    );
    assert_eq!((&run.parent, &call.parent), (&arrival.id, &run.id));
    // The one that nobody has told the end of counts.
    assert_eq!(call.is("http.request.resend_count"), "1");
    let told: Vec<_> = (downstream.calls().iter())
        .map(|call| call.header("traceparent").to_owned())
        .collect();
    assert!(told.iter().all(|told| told.contains(&arrival.trace)));
    assert!(told[1].contains(&call.id) && told[0] != told[1]);
}

#[tokio::test]
async fn a_line_about_a_transaction_names_its_trace() {
    let mut harness = Harness::embedded();
    (harness.failed, harness.dead_letters) = (1, 1);
    let (collector, downstream) = (
        Collector::start(Answers::Ok).await,
        Downstream::start(|_| (422, Duration::ZERO)).await,
    );
    set(&mut harness, &collector, &downstream);
    let api = start(&mut harness).await;
    harness.send(&api, "t1").await;
    let spans = collector.told(4).await;
    assert_eq!(
        one(&spans, SpanKind::Consumer).is("error.type"),
        "permanent"
    );
    assert_eq!(one(&spans, SpanKind::Client).is("error.type"), "422");
    let row: uuid::Uuid = spans[0].trace.parse().unwrap();
    let named = format!("event=\"transaction_failed\" id={row} ");
    until(
        async || harness.running_log().contains(&named),
        || harness.running_log(),
    )
    .await;
}

/// Processes a few webhooks while the collector at `url` is of no use, and stops. Returns what was counted and what was logged.
async fn with_useless_collector(url: &str) -> (String, String) {
    let mut harness = Harness::embedded();
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "20"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
        ("SHUTDOWN_DELAY", "0s"),
    ] {
        harness.environment.insert(variable, value.into());
    }
    let mut process = harness.process("").await;
    let api = process.url();
    let ids = (0..50).map(|at| format!("t{at}"));
    harness.send_all(&api, ids).await;
    for at in 0..50 {
        harness.processed(&api, &format!("t{at}")).await;
    }
    let counted = harness.get(&format!("{api}/metrics")).await;
    let counted = counted.text().await.unwrap();
    let since = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0), "{}", process.log());
    // Less than the collector may take.
    let took = since.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    (counted, process.log())
}

#[tokio::test]
async fn a_collector_that_hangs_or_is_away_holds_up_nothing() {
    let hangs = Collector::start(Answers::Never).await;
    let (counted, _) = with_useless_collector(&hangs.url).await;
    assert!(hangs.connections() > 0);
    let none = "hookline_spans_total{outcome=\"dropped\"} 0\n";
    assert!(!counted.contains(none), "{counted}");
    let (counted, log) = with_useless_collector("http://127.0.0.1:1").await;
    assert!(!counted.contains(none), "{counted}");
    assert_eq!(log.matches("spans_not_exported").count(), 1, "{log}");
}

#[tokio::test]
async fn a_collector_that_refuses_is_counted_and_told_of_once() {
    let refuses = Collector::start(Answers::Refused).await;
    let (counted, log) = with_useless_collector(&refuses.url).await;
    let none = "hookline_spans_total{outcome=\"failed\"} 0\n";
    assert!(
        counted.contains("outcome=\"failed\"") && !counted.contains(none),
        "{counted}"
    );
    assert_eq!(log.matches("spans_not_exported").count(), 1, "{log}");
}

#[tokio::test]
async fn a_stop_exports_what_waits_and_what_is_handed_back() {
    let mut harness = Harness::embedded();
    let collector = Collector::start(Answers::Ok).await;
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ("PROCESSING_DELAY", "1h"),
        ("SHUTDOWN_DELAY", "0s"),
    ] {
        harness.environment.insert(variable, value.into());
    }
    let mut process = harness.process("").await;
    let api = process.url();
    harness.send(&api, "t1").await;
    let is_at_work = async || {
        let told = harness.get(&format!("{api}/metrics")).await;
        (told.text().await.unwrap()).contains("hookline_in_flight 1")
    };
    until(is_at_work, || "nothing is in flight".into()).await;
    assert_eq!(collector.connections(), 0);
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let run = one(&spans, SpanKind::Consumer);
    assert_eq!(run.is("hookline.outcome"), "handed_back");
    assert!(!run.has_failed);
}

#[tokio::test]
async fn nothing_is_traced_unless_that_is_asked_for() {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_SDK_DISABLED", "true"),
    ] {
        let mut harness = Harness::embedded();
        let (collector, downstream) = (
            Collector::start(Answers::Ok).await,
            Downstream::start(ok).await,
        );
        set(&mut harness, &collector, &downstream);
        harness.environment.insert(variable, value.into());
        let api = harness.start("").await.url();
        send_traced(&harness, &api, "t1", SENDER).await;
        harness.processed(&api, "t1").await;
        assert!(!downstream.calls()[0].headers.contains_key("traceparent"));
        let counted = harness.get(&format!("{api}/metrics")).await;
        assert!(!counted.text().await.unwrap().contains("hookline_spans"));
        assert!(!harness.running_log().contains("traces_on"));
        assert_eq!(collector.connections(), 0);
    }
}

#[tokio::test]
async fn what_is_not_sampled_is_not_told_whatever_the_sender_wants() {
    let mut harness = Harness::embedded();
    let (collector, downstream) = (
        Collector::start(Answers::Ok).await,
        Downstream::start(ok).await,
    );
    set(&mut harness, &collector, &downstream);
    let never = "parentbased_always_off".into();
    harness.environment.insert("OTEL_TRACES_SAMPLER", never);
    let api = harness.start("").await.url();
    let wanted = SENDER.replace("-00", "-01");
    send_traced(&harness, &api, "t1", &wanted).await;
    harness.processed(&api, "t1").await;
    let calls = downstream.calls();
    let told = calls[0].header("traceparent");
    assert!(
        told.ends_with("-00") && !told.contains(&SENDER[3..35]),
        "{told}"
    );
    assert_eq!(collector.connections(), 0);
}
