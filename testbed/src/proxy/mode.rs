//! How a proxy can misbehave.

use std::time::Duration;

/// What a proxy does to the connections that go through it: to those that stand, and to new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes at once.
    Pass,
    /// Everything passes, each piece so much later.
    Delay(Duration),
    /// So many bytes per second pass, in each direction of each connection.
    Drip(u32),
    /// Nothing passes and nobody is told, as if a cable were cut. What is under way passes when it is mended.
    Blackhole,
    /// The same for what travels this way; the other way is open.
    Deaf(Way),
    /// Every connection is reset, and so is every new one.
    Reset,
    /// Each connection is reset once so many bytes have passed, both ways counted, most often amid a message.
    CutAfter(u64),
    /// Nobody listens. Connections that stand are left alone.
    Refuse,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}
