//! What a call says about the world beyond its own transaction.

/// What the end of a call says about the service that was called, and about us. The attempt's outcome
/// decides about the transaction; this decides about the calls after it. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The work is done: the service is there and well.
    Succeeded,
    /// The service is there, and has refused this transaction for good (a 4xx).
    Refused,
    /// The service is there, and asks for fewer calls: a 429, or any answer that is tried again and names a
    /// time in `Retry-After`.
    Limited,
    /// The service is there, and could not do it: any other answer that is tried again (a 5xx, say).
    Failed,
    /// No answer has come: no connection, a broken one, none in time.
    Unreachable,
    /// The call could not be made because something is short on our side: files, memory, local ports, or the
    /// name of the service cannot be resolved. It says nothing about the service and nothing about the
    /// transaction, and is to be charged to neither.
    Here,
    /// A defect of ours: the work panicked, or the request could not be made. It says nothing about the
    /// service.
    Panicked,
}
