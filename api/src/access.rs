//! Who may read, and who may change anything, over HTTP. Webhooks are none of its business: what they are proven with the
//! [gate](crate::gate) judges.
//!
//! A token stands in `Authorization` and nowhere else, so a browser sends none that a page of another site has not.

mod browser;
mod denied;
mod tokens;

use std::{net::IpAddr, sync::Arc};

use entity::lifecycle::operate::Who;
use poem::{
    Request, RequestBody,
    http::{HeaderMap, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use tokio::sync::watch;

pub(crate) use denied::Denied;
pub use tokens::{Token, Tokens};

/// The schemes' names in the document.
const READ_TOKEN: &str = "ReadToken";
const ADMIN_TOKEN: &str = "AdminToken";

/// Who may do what at one address. Clones are of the same.
#[derive(Clone)]
pub(crate) struct Access {
    tokens: watch::Receiver<Arc<Tokens>>,
    /// Whether nobody but this machine reaches the address.
    is_local: bool,
}

impl Access {
    /// At this address; one that is not known counts as one that all can reach.
    pub(crate) fn new(tokens: watch::Receiver<Arc<Tokens>>, address: Option<IpAddr>) -> Self {
        Self {
            tokens,
            is_local: address.is_some_and(|address| address.is_loopback()),
        }
    }

    /// Whether whoever sends these headers may read.
    pub(crate) fn may_read(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let tokens = self.tokens.borrow();
        if tokens.guard_reads() {
            let holder = tokens.holder(bearer(headers)?);
            return holder.map(|_| ()).ok_or(Denied::UnknownToken);
        }
        match self.is_local && !browser::asks_this_machine(headers) {
            true => Err(Denied::AnotherName),
            false => Ok(()),
        }
    }

    /// Whether whoever sends these headers may change anything, and the name of the token.
    pub(crate) fn may_change(&self, headers: &HeaderMap) -> Result<Who, Denied> {
        if browser::is_of_another_site(headers) {
            return Err(Denied::AnotherSite);
        }
        let tokens = self.tokens.borrow();
        if !tokens.allow_changes() {
            return Err(Denied::NobodyMay);
        }
        let holder = tokens.holder(bearer(headers)?);
        let holder = holder.ok_or(Denied::UnknownToken)?;
        match holder.may_change {
            true => Ok(holder.name),
            false => Err(Denied::ReadsOnly),
        }
    }
}

/// What a request gives as its token (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = values.next().ok_or(Denied::NoToken)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(Denied::NoToken)?;
    match scheme.eq_ignore_ascii_case("Bearer") && values.next().is_none() {
        true => Ok(token.trim()),
        false => Err(Denied::NoToken),
    }
}

/// An operation that takes this is for those who may read.
pub(crate) struct MayRead;

impl<'a> ApiExtractor<'a> for MayRead {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![READ_TOKEN, ADMIN_TOKEN]
    }

    /// Where no token is set for reading, everybody may.
    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        access(request)?.may_read(request.headers())?;
        Ok(Self)
    }
}

/// An operation that takes this is for those who may change something. It must be the first of what the operation takes:
/// nothing else of the request is looked at before.
pub(crate) struct MayChange {
    /// The token's name.
    pub(crate) who: Who,
}

impl<'a> ApiExtractor<'a> for MayChange {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![ADMIN_TOKEN]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let who = access(request)?.may_change(request.headers())?;
        Ok(Self { who })
    }
}

/// The routes say who may ask them; where they do not, nobody may.
fn access(request: &Request) -> Result<&Access, Denied> {
    request.data().ok_or(Denied::NobodyMay)
}

fn register(registry: &mut Registry) {
    let bearer = |description| MetaSecurityScheme {
        ty: "http",
        description: Some(description),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    let read = "One of the secrets of `READ_TOKEN`. Where none is set, everybody may read.";
    let admin = "One of the secrets of `ADMIN_TOKEN`, with which everything may be read, too. Where none is set, nothing can be changed \
         over HTTP.";
    registry.create_security_scheme(READ_TOKEN, bearer(read));
    registry.create_security_scheme(ADMIN_TOKEN, bearer(admin));
}

#[cfg(test)]
mod tests;
