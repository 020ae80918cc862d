//! The pools of connections, one for each purpose that must not wait for another.

use api::{Databases, Slots};
use sea_orm::DatabaseConnection;

use crate::{claim::Claim, config::Config, database, role::Role};

/// The API's connections for commits, the relay's for its notes (of what is published and what has come back) and looks, one
/// for readiness, and those that operators may have.
const WRITE_CONNECTIONS: u32 = Slots::POSTGRES.most as u32 + 6;
/// Connections for look-ups.
const READ_CONNECTIONS: u32 = 4;
/// The consumer's: one takes while another commits, a third gives back and a fourth reads a long body, and neither the lease
/// nor the look for dead consumers waits for them.
const CONSUMER_CONNECTIONS: u32 = 6;
/// The pools that a role needs.
pub struct Pools {
    pub api: Option<Databases>,
    pub consumer: Option<DatabaseConnection>,
}

impl Pools {
    /// Which parts they are for.
    pub fn parts(&self) -> database::Parts {
        database::Parts {
            api: self.api.is_some(),
            consumer: self.consumer.is_some(),
        }
    }

    /// Each by its purpose, for whoever counts connections.
    pub fn by_purpose(&self) -> Vec<(&'static str, DatabaseConnection)> {
        let api = self.api.iter().flat_map(|databases| {
            [
                ("api", databases.write.clone()),
                ("look-up", databases.read.clone()),
            ]
        });
        // On SQLite the one that writes is for both.
        let is_own = self
            .api
            .as_ref()
            .is_none_or(|databases| databases.file.is_none());
        let consumer = self.consumer.iter().filter(|_| is_own);
        api.chain(consumer.map(|db| ("consumer", db.clone())))
            .collect()
    }

    /// Any one of them that writes.
    pub fn first(&self) -> &DatabaseConnection {
        match (&self.api, &self.consumer) {
            (Some(databases), _) => &databases.write,
            (None, Some(db)) => db,
            (None, None) => unreachable!("every role has a part"),
        }
    }
}

/// Connects the pools that a role needs; `file` is the claim on a SQLite file.
pub async fn connect(role: Role, config: &Config, file: Option<&Claim>) -> anyhow::Result<Pools> {
    let address = &config.database_url;
    if address.is_sqlite() {
        let write = database::connect(address, "writer", 1).await?;
        let api = Databases {
            read: database::connect_readers(address, "look-up", READ_CONNECTIONS).await?,
            write: write.clone(),
            slots: Slots::SQLITE,
            file: file.map(Claim::file),
        };
        return Ok(Pools {
            api: role.has_api().then_some(api),
            consumer: role.has_consumer().then_some(write),
        });
    }
    let mut pools = Pools {
        api: None,
        consumer: None,
    };
    if role.has_api() {
        pools.api = Some(Databases {
            write: database::connect(address, "api", WRITE_CONNECTIONS).await?,
            read: database::connect_readers(address, "look-up", READ_CONNECTIONS).await?,
            slots: Slots::POSTGRES,
            file: None,
        });
    }
    if role.has_consumer() {
        pools.consumer = Some(database::connect(address, "consumer", CONSUMER_CONNECTIONS).await?);
    }
    Ok(pools)
}
