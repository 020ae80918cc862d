//! Several nodes on one machine that make one broker, and what can be done to one of them.

use anyhow::{Context as _, Result};
use futures::future::try_join_all;

use super::server::{Membership, Options, Server};
use crate::ports;

/// Starts a cluster of so many nodes. The first one also keeps the daemon that knows all names, so it goes last: a
/// `Vec` drops from the front, and so the nodes are returned in reverse order.
pub async fn cluster(nodes: usize) -> Result<Vec<Server>> {
    let first = Server::start(Options::default()).await?;
    let member = Membership {
        epmd_port: first.node.epmd_port,
        cookie: first.cookie.clone(),
    };
    let others = (1..nodes).map(async |_| {
        ports::retry(async || Server::start_on_free_ports(&Options::default(), Some(&member)).await)
            .await
    });
    let mut servers = try_join_all(others).await?;
    for other in &servers {
        other.control(&["stop_app"]).await?;
        other.control(&["join_cluster", first.name()]).await?;
        other.control(&["start_app"]).await?;
    }
    servers.push(first);
    Ok(servers)
}

impl Server {
    /// Which of `servers` has the leader of the quorum queue `queue`.
    pub async fn leader_of(servers: &[Self], queue: &str) -> Result<usize> {
        let mut listed = Err(anyhow::anyhow!("there is no node"));
        for server in servers {
            listed = server
                .control(&["-q", "--no-table-headers", "list_queues", "name", "leader"])
                .await;
            if listed.is_ok() {
                break;
            }
        }
        let listed = listed?;
        let mut lines = listed.lines().map(|line| line.split('\t'));
        let leader = lines.find_map(|mut line| (line.next() == Some(queue)).then(|| line.next()));
        let leader = leader.flatten().context("the queue has no leader")?;
        let found = servers
            .iter()
            .position(|server| server.name() == leader.trim());
        found.with_context(|| format!("the leader is on an unknown node: {leader}"))
    }

    /// Cuts this node off from the others: they no longer know each other's cookie, so no connection between them
    /// comes about. Its clients reach it as before.
    pub async fn cut_off(&self, others: &[&Self]) -> Result<()> {
        for other in others {
            let name = other.name();
            self.evaluate(&format!(
                "erlang:set_cookie('{name}', cut_off), erlang:disconnect_node('{name}')."
            ))
            .await?;
        }
        Ok(())
    }

    /// Joins it to the others again.
    pub async fn join_again(&self, others: &[&Self]) -> Result<()> {
        for other in others {
            let name = other.name();
            self.evaluate(&format!(
                "erlang:set_cookie('{name}', '{}'), net_adm:ping('{name}').",
                self.cookie
            ))
            .await?;
        }
        Ok(())
    }

    /// Runs Erlang on this node and returns what it gives.
    pub async fn evaluate(&self, erlang: &str) -> Result<String> {
        self.control(&["eval", erlang]).await
    }
}
