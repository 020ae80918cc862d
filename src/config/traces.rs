//! Whether and how traces are exported: OpenTelemetry's own variables, as far as they concern us. Other programs read them,
//! too, so they are checked only where anything is traced.

use clap::Args;

#[derive(Args, Clone)]
pub struct Traces {
    /// A collector, to which traces are sent (OTLP over HTTP): http:// or https://HOST:PORT [default: nothing is traced]
    ///
    /// docs/OPERATIONS.md says what a trace looks like.
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// The same for traces alone, with its path: http://HOST:PORT/v1/traces
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        hide_env_values = true
    )]
    pub otel_exporter_otlp_traces_endpoint: Option<String>,

    /// What the collector asks for: NAME=VALUE with commas between them
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true
    )]
    pub otel_exporter_otlp_headers: Option<String>,

    /// The same for traces alone
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        hide_env_values = true
    )]
    pub otel_exporter_otlp_traces_headers: Option<String>,

    /// How the collector is talked to: there is only http/protobuf
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_PROTOCOL",
        default_value = "http/protobuf"
    )]
    pub otel_exporter_otlp_protocol: String,

    /// The same for traces alone
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    )]
    pub otel_exporter_otlp_traces_protocol: Option<String>,

    /// How long the collector may take, in milliseconds
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_TIMEOUT",
        default_value = "10000"
    )]
    pub otel_exporter_otlp_timeout: String,

    /// The same for traces alone
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"
    )]
    pub otel_exporter_otlp_traces_timeout: Option<String>,

    /// Which traces are kept: always_on, always_off or traceidratio
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_TRACES_SAMPLER",
        default_value = "always_on"
    )]
    pub otel_traces_sampler: String,

    /// The share of traces that traceidratio keeps, such as 0.1 [default: 1]
    #[arg(long, env, global = true, value_name = "OTEL_TRACES_SAMPLER_ARG")]
    pub otel_traces_sampler_arg: Option<String>,

    /// How this service is called in traces [default: hookline]
    #[arg(long, env, global = true, value_name = "OTEL_SERVICE_NAME")]
    pub otel_service_name: Option<String>,

    /// What else is told of this process: NAME=VALUE with commas between them
    #[arg(long, env, global = true, value_name = "OTEL_RESOURCE_ATTRIBUTES")]
    pub otel_resource_attributes: Option<String>,

    /// How long a span waits for others before they are exported, in milliseconds
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_BSP_SCHEDULE_DELAY",
        default_value = "5000"
    )]
    pub otel_bsp_schedule_delay: String,

    /// How many spans may wait; further ones are dropped
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_BSP_MAX_QUEUE_SIZE",
        default_value = "2048"
    )]
    pub otel_bsp_max_queue_size: String,

    /// How many spans are exported together
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        default_value = "512"
    )]
    pub otel_bsp_max_export_batch_size: String,

    /// Whether nothing is traced after all: true or false
    #[arg(
        long,
        env,
        global = true,
        value_name = "OTEL_SDK_DISABLED",
        default_value = "false"
    )]
    pub otel_sdk_disabled: String,
}
