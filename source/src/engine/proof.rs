//! What a proof found.

use time::OffsetDateTime;

use crate::{place::Places, verdict::Reason};

/// What is known of a request that is proven.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proof<'a> {
    /// Which of the secrets it was.
    pub(crate) secret: usize,
    /// The items of the signature's header.
    pub(crate) items: Vec<&'a str>,
    /// The signed time.
    pub(crate) time: Option<OffsetDateTime>,
    /// Where the id stands, if the scheme has a place of its own for it.
    pub(crate) id: Option<&'a Places>,
}

/// Of several attempts at a proof: the first that succeeds, or the reason of the one that came nearest.
pub(crate) fn any<'a>(
    attempts: impl IntoIterator<Item = Result<Proof<'a>, Reason>>,
) -> Result<Proof<'a>, Reason> {
    let first = Err(Reason::MissingHeader);
    attempts
        .into_iter()
        .fold(first, |best, next| match (best, next) {
            (Ok(proof), _) | (_, Ok(proof)) => Ok(proof),
            (Err(one), Err(other)) => Err(one.max(other)),
        })
}
