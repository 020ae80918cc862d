//! Senders: who may send, how a request is proven, and which events it brings.
//!
//! A [`Source`] is built of [`Settings`] and [`Credentials`] and judges a [`Request`]: what came in as bytes, and a time.
//! Everything here is a pure function of those. It knows no HTTP framework, no database, no file, no environment, and no
//! clock but the time it is given; it panics at no input.
//!
//! A scheme is data ([`Scheme`]), and a preset is a row of it; what no row can say is in `own/`.

mod build;
mod description;
mod encoding;
mod engine;
mod event;
mod fields;
mod handshake;
mod hint;
mod json;
mod moment;
mod own;
mod place;
mod presets;
mod prover;
mod request;
mod scheme;
mod secret;
mod settings;
mod source;
mod verdict;

pub use build::BuildError;
pub use description::{Description, descriptions};
pub use encoding::Encoding;
pub use fields::{AmountUnit, FieldSettings};
pub use hint::Hint;
pub use presets::names as presets;
pub use request::{Request, url};
pub use scheme::{Algorithm, Hash, PublicKey, Scheme, TOLERANCE, Unit, Verify};
pub use secret::{Credentials, KeyForm, Secret};
pub use settings::{Answer, MissingId, Settings};
pub use source::Source;
pub use verdict::{Event, Fields, Reason, Refusal, Reply, Verdict};
