//! What the settings have chosen, in one line at the start: a variable that got lost on its way here (a unit file's `%`, a typing
//! error in its name) leaves a service that seems to work, on another database or queue.

use queue::amqp;

use crate::config::Config;

/// Tells the log which database and which queue this process will use.
pub fn tell(config: &Config) {
    let database = &config.database_url;
    let queue = queue(config.amqp_url.as_deref(), &config.amqp_queue);
    tracing::info!(event = "starting", %database, queue, "starting");
}

fn queue(url: Option<&str>, name: &str) -> String {
    match url {
        Some(url) => {
            let broker = amqp::place(url).unwrap_or("(not shown)");
            format!("RabbitMQ {broker}, {name}")
        }
        None => "inside this process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::queue;

    #[test]
    fn a_broker_is_told_without_its_login() {
        for (url, told) in [
            (
                "amqp://guest:s3cret@127.0.0.1:5672/%2f",
                "127.0.0.1:5672/%2f",
            ),
            ("amqps://me:s3cret@mq.example", "mq.example"),
            ("amqp://mq.example/orders?heartbeat=5", "mq.example/orders"),
            ("amqp://me:s3@cret@[::1]:5672/v", "[::1]:5672/v"),
        ] {
            assert_eq!(queue(Some(url), "q"), format!("RabbitMQ {told}, q"));
        }
        assert_eq!(queue(None, "q"), "inside this process");
    }

    #[test]
    fn a_password_that_is_not_encoded_is_not_told() {
        for url in [
            "amqp://me:s3/cret@mq.example/v",
            "amqp://me:s3?cret@mq.example/v",
            "amqp://me:s3#cret@mq.example/v",
        ] {
            let told = queue(Some(url), "q");
            assert!(!told.contains("s3") && !told.contains("cret"), "{told}");
        }
    }
}
