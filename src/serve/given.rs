//! What the settings say that is made something of before the database is opened.

use consumer::Work;
use queue::Queue;

use crate::{
    alerts::Post,
    chosen,
    config::Config,
    listen::{self, Addresses},
    role::Role,
    settings, sources, tokens, traces,
};

pub(super) struct Given {
    pub(super) queue: Queue,
    pub(super) work: Work,
    pub(super) post: Option<Post>,
    /// `None` where nothing is received.
    pub(super) sources: Option<sources::Watch>,
    pub(super) tokens: tokens::Watch,
    /// `None` where nothing is traced.
    pub(super) traces: Option<traces::Given>,
    pub(super) addresses: Addresses,
    pub(super) admin_addresses: Option<Addresses>,
}

impl Given {
    /// Tells the log what is chosen, and fails with a sentence about what is of no use.
    pub(super) async fn read(role: Role, config: &Config) -> anyhow::Result<Self> {
        chosen::tell(config);
        Ok(Self {
            queue: settings::queue(role, config)?,
            work: settings::work(config)?,
            post: Post::of(config)?,
            sources: match role.has_api() {
                true => Some(sources::Watch::start(config)?),
                false => None,
            },
            tokens: tokens::Watch::start(config)?,
            traces: traces::Given::of(config)?,
            addresses: listen::api(config).await?,
            admin_addresses: listen::admin(config).await?,
        })
    }
}
