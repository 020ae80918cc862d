//! The broker, and what is there under our names.

use std::time::Duration;

use queue::Queue;

use super::finding::Findings;
use crate::{config::Config, role::Role, settings};

/// What the broker may take to answer.
const WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn look(findings: &mut Findings, config: &Config) {
    let queue = match settings::queue(Role::Everything, config) {
        Ok(queue) if queue.is_inside_the_process() => {
            findings.good(
                "broker",
                "none: the queue is inside the process, as AMQP_URL is not set",
            );
            return;
        }
        Ok(queue) => queue,
        Err(error) => {
            findings.bad("broker", format!("{error:#}"));
            return;
        }
    };
    match tokio::time::timeout(WITHIN, topology(findings, &queue)).await {
        Ok(()) => {}
        Err(_) => findings.bad(
            "broker",
            format!("AMQP_URL: no answer within {} s", WITHIN.as_secs()),
        ),
    }
}

async fn topology(findings: &mut Findings, queue: &Queue) {
    match queue.is_there().await {
        Ok(true) => {
            findings.good("broker", "it lets us in");
            // Where all is as it should be this changes nothing.
            match queue.declare().await {
                Ok(()) => depth(findings, queue).await,
                Err(error) => findings.bad("topology", error),
            }
        }
        Ok(false) => {
            findings.good("broker", "it lets us in");
            let sentence = format!(
                "{} is not there yet; the first start makes it",
                queue.name()
            );
            findings.doubtful("topology", sentence);
        }
        Err(error) => findings.bad("broker", format!("AMQP_URL: {error}")),
    }
}

async fn depth(findings: &mut Findings, queue: &Queue) {
    match queue.depth().await {
        Ok(depth) if depth.dead == 0 => {
            let sentence = format!("{}: {} messages wait", queue.name(), depth.ready);
            findings.good("topology", sentence);
        }
        Ok(depth) => {
            let sentence = format!(
                "{}: {} messages wait, and {} in the dead-letter queue, where somebody should look",
                queue.name(),
                depth.ready,
                depth.dead
            );
            findings.doubtful("topology", sentence);
        }
        Err(error) => findings.bad("topology", error),
    }
}
