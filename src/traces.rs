//! What the settings say about traces, and the collector to which they are sent.

use std::{collections::HashMap, time::Duration};

use consumer::work::http::{self, Downstream, HeaderMap};
use meter::Registry;
use percent_encoding::percent_decode_str;
use queue::{Queue, amqp};
use trace::{Attribute, Batches, Destination, Exporting, NotTaken, Sampler, Tracer};

use crate::{
    config::{BadSetting, Config, Traces},
    settings,
};

/// What is added to the address of a collector that takes other things, too.
const PATH: &str = "/v1/traces";
/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";
const BODY: &str = "application/x-protobuf";

/// All that is needed to trace.
pub struct Given {
    collector: Downstream,
    headers: HeaderMap,
    sampler: Sampler,
    batches: Batches,
    /// Spans that may wait.
    room: usize,
    resource: Vec<Attribute>,
}

/// A setting under the name by which it was given.
type Named<'s> = (&'static str, &'s str);

impl Given {
    /// What the settings say; `None` if nothing is to be traced, and then they may say what they want.
    pub fn of(config: &Config) -> Result<Option<Self>, BadSetting> {
        let traces = &config.traces;
        if traces.otel_sdk_disabled.eq_ignore_ascii_case("true") {
            return Ok(None);
        }
        let Some((variable, url)) = endpoint(traces) else {
            return Ok(None);
        };
        check_protocol(traces)?;
        let timeout = first(
            (
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                &traces.otel_exporter_otlp_traces_timeout,
            ),
            (
                "OTEL_EXPORTER_OTLP_TIMEOUT",
                &traces.otel_exporter_otlp_timeout,
            ),
        );
        let collector = Downstream::new(http::Settings {
            url,
            secret: None,
            timeout: millis(timeout)?,
        });
        let delay = (
            "OTEL_BSP_SCHEDULE_DELAY",
            traces.otel_bsp_schedule_delay.as_str(),
        );
        let room = (
            "OTEL_BSP_MAX_QUEUE_SIZE",
            traces.otel_bsp_max_queue_size.as_str(),
        );
        let size = (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            traces.otel_bsp_max_export_batch_size.as_str(),
        );
        Ok(Some(Self {
            collector: collector.map_err(|error| BadSetting(error.about_variable(variable)))?,
            headers: headers(traces)?,
            sampler: sampler(traces)?,
            batches: Batches {
                delay: millis(delay)?,
                size: count(size)?,
            },
            room: count(room)?,
            resource: resource(traces)?,
        }))
    }

    /// Whether the collector takes connections. An error says why not.
    pub async fn reach(&self) -> Result<(), String> {
        self.collector.reach().await
    }

    /// Begins to trace and to export.
    fn start(self, queue: Destination, registry: &Registry) -> (Tracer, Exporting) {
        let Self {
            collector, headers, ..
        } = self;
        let (.., to) = collector.place();
        tracing::info!(event = "traces_on", to, "traces are sent to a collector");
        let settings = trace::Settings {
            sampler: self.sampler,
            queue,
            room: self.room,
        };
        let (tracer, waiting) = trace::channel(settings, registry);
        let post = move |request| {
            let (collector, headers) = (collector.clone(), headers.clone());
            async move {
                let posted = collector.post(&headers, request).await;
                posted.map_err(|(why, may_again)| NotTaken { why, may_again })
            }
        };
        let exporting = trace::start(waiting, self.batches, self.resource, post);
        (tracer, exporting)
    }
}

/// Begins to trace, if that is asked for. Without it the tracer is off.
pub fn start(
    given: Option<Given>,
    config: &Config,
    queue: &Queue,
    registry: &Registry,
) -> (Tracer, Option<Exporting>) {
    let Some(given) = given else {
        return (Tracer::default(), None);
    };
    let destination = destination(queue.name(), config.amqp_url.as_deref());
    let (tracer, exporting) = given.start(destination, registry);
    (tracer, Some(exporting))
}

/// The queue of this name, at a broker or inside this process. With the default exchange its name is the routing key, too.
fn destination(name: &str, url: Option<&str>) -> Destination {
    let mut attributes = vec![("messaging.destination.name", name.to_owned().into())];
    match url {
        Some(_) => attributes.extend([
            ("messaging.system", "rabbitmq".into()),
            (
                "messaging.rabbitmq.destination.routing_key",
                name.to_owned().into(),
            ),
        ]),
        None => attributes.push(("messaging.system", "hookline".into())),
    }
    if let Some((host, port)) = url.and_then(broker) {
        attributes.extend([
            ("server.address", host.into()),
            ("server.port", port.into()),
        ]);
    }
    Destination {
        name: name.to_owned(),
        attributes,
    }
}

/// The broker's host and port.
fn broker(url: &str) -> Option<(String, u16)> {
    let place = amqp::place(url)?.split('/').next()?;
    let usual = if url.starts_with("amqps") { 5671 } else { 5672 };
    let parts = place.rsplit_once(':');
    let (host, port) = parts
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .unwrap_or((place, usual));
    Some((host.trim_matches(['[', ']']).to_owned(), port))
}

/// Where traces go to, and which variable says so.
fn endpoint(traces: &Traces) -> Option<(&'static str, String)> {
    if let Some(url) = &traces.otel_exporter_otlp_traces_endpoint {
        return Some(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.clone()));
    }
    let url = traces.otel_exporter_otlp_endpoint.as_ref()?;
    let url = format!("{}{PATH}", url.trim_end_matches('/'));
    Some(("OTEL_EXPORTER_OTLP_ENDPOINT", url))
}

/// What is set for traces alone, or else what is set for everything.
fn first<'s>(
    (own, value): (&'static str, &'s Option<String>),
    (all, default): (&'static str, &'s str),
) -> Named<'s> {
    value
        .as_deref()
        .map_or((all, default), |value| (own, value))
}

fn check_protocol(traces: &Traces) -> Result<(), BadSetting> {
    let (variable, protocol) = first(
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            &traces.otel_exporter_otlp_traces_protocol,
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            &traces.otel_exporter_otlp_protocol,
        ),
    );
    match protocol {
        PROTOCOL => Ok(()),
        _ => Err(BadSetting(format!(
            "{variable} must be {PROTOCOL}, which collectors take at port 4318"
        ))),
    }
}

fn sampler(traces: &Traces) -> Result<Sampler, BadSetting> {
    let argument = traces.otel_traces_sampler_arg.as_deref();
    Sampler::parse(&traces.otel_traces_sampler, argument).map_err(|error| {
        let variable = match error {
            trace::BadSampler::Name => "OTEL_TRACES_SAMPLER",
            trace::BadSampler::Argument => "OTEL_TRACES_SAMPLER_ARG",
        };
        BadSetting(format!("{variable} {error}"))
    })
}

fn headers(traces: &Traces) -> Result<HeaderMap, BadSetting> {
    let (variable, text) = first(
        (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            &traces.otel_exporter_otlp_traces_headers,
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            traces
                .otel_exporter_otlp_headers
                .as_deref()
                .unwrap_or_default(),
        ),
    );
    let mut headers: HashMap<String, String> = pairs((variable, text))?.into_iter().collect();
    headers.insert("content-type".into(), BODY.into());
    HeaderMap::try_from(&headers).map_err(|_| not_pairs(variable))
}

fn resource(traces: &Traces) -> Result<Vec<Attribute>, BadSetting> {
    let text = traces.otel_resource_attributes.as_deref();
    let pairs = pairs(("OTEL_RESOURCE_ATTRIBUTES", text.unwrap_or_default()))?;
    let given = pairs
        .into_iter()
        .map(|(name, value)| Attribute::new(name, value));
    let mut resource: Vec<Attribute> = given.collect();
    if let Some(name) = &traces.otel_service_name {
        resource.retain(|attribute| attribute.name() != "service.name");
        resource.push(Attribute::new("service.name", name.clone()));
    }
    let version = env!("CARGO_PKG_VERSION");
    let ours = [
        Attribute::new("service.name", "hookline"),
        Attribute::new("service.version", version),
        Attribute::new("service.instance.id", settings::process()),
        Attribute::new("telemetry.sdk.name", "hookline"),
        Attribute::new("telemetry.sdk.language", "rust"),
        Attribute::new("telemetry.sdk.version", version),
    ];
    for attribute in ours {
        if resource
            .iter()
            .all(|other| other.name() != attribute.name())
        {
            resource.push(attribute);
        }
    }
    Ok(resource)
}

/// `NAME=VALUE,NAME=VALUE`, where values are percent-encoded.
fn pairs((variable, text): Named<'_>) -> Result<Vec<(String, String)>, BadSetting> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let pairs: Option<Vec<_>> = parts.map(pair).collect();
    pairs.ok_or_else(|| not_pairs(variable))
}

fn not_pairs(variable: &str) -> BadSetting {
    BadSetting(format!(
        "{variable} must be NAME=VALUE with commas between them, the values percent-encoded"
    ))
}

fn millis((variable, text): Named<'_>) -> Result<Duration, BadSetting> {
    match text.parse() {
        Ok(millis @ 1..=3_600_000) => Ok(Duration::from_millis(millis)),
        _ => Err(BadSetting(format!(
            "{variable} must be a number of milliseconds, from 1 to 3600000"
        ))),
    }
}

fn count((variable, text): Named<'_>) -> Result<usize, BadSetting> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err(BadSetting(format!(
            "{variable} must be a whole number from 1 to 1000000"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_named_by_its_host_and_port() {
        for (url, host, port) in [
            ("amqp://me:s3cret@mq.example:5673/v", "mq.example", 5673),
            ("amqp://mq.example", "mq.example", 5672),
            ("amqps://me:s3cret@mq.example/%2f", "mq.example", 5671),
            ("amqp://[::1]:5673/v", "::1", 5673),
            ("amqp://[::1]/v", "::1", 5672),
        ] {
            assert_eq!(broker(url), Some((host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn pairs_are_read_and_decoded() {
        let read = |text| pairs(("X", text)).map_err(|error| error.to_string());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read(""), Ok(vec![]));
        let two = vec![pair("api-key", "a b="), pair("x", "1")];
        assert_eq!(read("api-key=a%20b=, x = 1 ,"), Ok(two));
        for text in ["s3cret", "=s3cret", "a=1,s3cret", "a=%ff"] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("X must be ") && !error.contains("s3cret"));
        }
    }
}
