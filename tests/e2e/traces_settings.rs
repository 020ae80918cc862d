//! Where traces go and how, as settings say.

use crate::{
    downstream::server::Downstream,
    harness::Harness,
    processes::run,
    settings::refused,
    traces::{
        collector::{Answers, Collector},
        ok, set,
    },
};

#[tokio::test]
async fn a_bad_value_is_named_where_anything_is_traced() {
    for (variable, value, right) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "grpc://me:s3cret@localhost",
            "http://",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://s3cret:0/",
            "65535",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "port 4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret", "NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "always_on"),
        ("OTEL_RESOURCE_ATTRIBUTES", "s3cret", "NAME=VALUE"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "milliseconds"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "from 1 to"),
    ] {
        let mut harness = Harness::embedded();
        let collector = "http://localhost:4318".into();
        harness
            .environment
            .insert("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
        harness.environment.insert(variable, value.into());
        let sentence = refused(&harness, &[], 2).await;
        assert!(sentence.contains(variable), "{sentence}");
        assert!(sentence.contains(right), "{sentence}");
        if variable != "OTEL_EXPORTER_OTLP_ENDPOINT" {
            // Others may read these variables, too.
            harness.environment.remove("OTEL_EXPORTER_OTLP_ENDPOINT");
        }
        if !variable.ends_with("_ENDPOINT") {
            harness.start("").await;
        }
    }
}

#[tokio::test]
async fn the_collector_is_told_what_it_asks_for_and_nobody_else_is() {
    let mut harness = Harness::embedded();
    let (collector, downstream) = (
        Collector::start(Answers::Ok).await,
        Downstream::start(ok).await,
    );
    set(&mut harness, &collector, &downstream);
    let url = collector.url.replace("http://", "http://me:s3cret@");
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret%20one,x-other=2"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=a%20b",
        ),
        ("OTEL_SERVICE_NAME", "payments-in"),
        ("RUST_LOG", "debug"),
    ] {
        harness.environment.insert(variable, value.into());
    }
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    let spans = collector.told(4).await;
    assert_eq!(spans[0].process["service.name"], "payments-in");
    assert_eq!(spans[0].process["deployment.environment.name"], "a b");
    let (path, headers) = collector.head();
    assert_eq!(path, "/v1/traces");
    assert_eq!(headers["x-key"], "s3cret one");
    assert_eq!(headers["x-other"], "2");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Basic ")
    );
    assert!(!harness.running_log().contains("s3cret"));
    for command in ["config", "doctor"] {
        let ended = run(harness.folder.path(), &[command], &harness.environment).await;
        assert!(!ended.stdout.contains("s3cret"), "{}", ended.stdout);
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
        assert!(command == "config" || ended.stdout.contains("the collector takes connections"));
    }
}
