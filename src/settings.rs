//! What each part is told, from the settings of the process.

use std::time::Duration;

use anyhow::bail;
use consumer::{
    Tenancy, Work,
    work::http::{self, Downstream},
};
use queue::{Queue, amqp, memory};

use crate::{
    config::{BadSetting, Config},
    role::Role,
};

/// The part of the grace period that senders and downstream get to end what is under way. The rest is
/// for taking down the process.
const GRACE_FOR_OTHERS: f64 = 0.7;

/// For the HTTP side.
pub fn api(config: &Config) -> api::Settings {
    api::Settings {
        keep_alive: config.keep_alive,
        grace: grace(config),
    }
}

/// For the consumer.
pub fn consumer(config: &Config, work: Work, tenancy: Tenancy) -> consumer::Settings {
    consumer::Settings {
        work,
        retries: config.retry_schedule.clone(),
        prefetch: config.prefetch(),
        tenancy,
        grace: grace(config),
    }
}

fn grace(config: &Config) -> Duration {
    config.shutdown_grace.mul_f64(GRACE_FOR_OTHERS)
}

/// Who else may work on the same transactions. A SQLite file with the queue inside the process is locked for that process
/// alone; everywhere else there are leases.
pub fn tenancy(config: &Config, queue: &Queue) -> Tenancy {
    let embedded = queue.is_inside_the_process();
    match embedded && config.database_url.is_sqlite() {
        true => Tenancy::Exclusive,
        false => Tenancy::Shared {
            lease: config.lease,
            embedded,
        },
    }
}

/// The work that the settings name.
pub fn work(config: &Config) -> anyhow::Result<Work> {
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

/// How this process is called where there are several.
pub fn process() -> String {
    let host = gethostname::gethostname();
    format!("{}-{}", host.to_string_lossy(), std::process::id())
}

/// The queue that the settings name.
pub fn queue(role: Role, config: &Config) -> anyhow::Result<Queue> {
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
    let settings = amqp::Settings {
        url,
        ca,
        queue: config.amqp_queue.clone(),
        process: process(),
    };
    let broker = amqp::Broker::new(settings).map_err(|error| BadSetting(error.to_string()))?;
    Ok(Queue::Amqp(broker))
}
