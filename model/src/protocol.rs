//! The protocol, and the world in which it is checked.

use crate::{
    Flaw,
    state::{APIS, CONSUMERS, IDS},
};

/// The protocol, in a world of this size, with at most one flaw.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub bounds: Bounds,
    pub flaw: Option<Flaw>,
}

/// How large a world is checked. All of it is, so a little more here is many more states.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Webhooks: 1 or 2.
    pub ids: usize,
    /// Processes that receive and publish: 1 or 2.
    pub apis: usize,
    /// Processes that consume, at a time.
    pub consumers: usize,
    /// Faults, of all kinds together. With the consumers, 5 at most.
    pub faults: u8,
    /// Acts of an operator, of all kinds together.
    pub acts: u8,
    /// Messages of one id in the queue at a time.
    pub messages: u8,
    /// Deliveries that a consumer may hold.
    pub prefetch: u8,
    /// So much waits in the queue, and for ever, that no walk looks for what the broker may have lost.
    pub backlog: bool,
}

impl Protocol {
    /// Without a flaw.
    pub fn sound(bounds: Bounds) -> Self {
        Self { bounds, flaw: None }
    }

    pub fn flawed(bounds: Bounds, flaw: Flaw) -> Self {
        Self {
            bounds,
            flaw: Some(flaw),
        }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.bounds.ids.min(IDS)
    }

    pub(crate) fn apis_and_ids(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ids = self.bounds.ids.min(IDS);
        (0..self.bounds.apis.min(APIS)).flat_map(move |api| (0..ids).map(move |id| (api, id)))
    }

    pub(crate) fn consumers_and_ids(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ids = self.bounds.ids.min(IDS);
        (0..CONSUMERS).flat_map(move |consumer| (0..ids).map(move |id| (consumer, id)))
    }
}
