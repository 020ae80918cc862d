//! What the log says of sources.

use super::{
    build::{Built, Warning},
    name::path,
};

/// A source in a line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    source: String,
    preset: Option<String>,
    secrets: usize,
    answer: u16,
}

impl Line {
    pub fn of(built: &Built) -> Self {
        Self {
            source: built.sender.name.clone(),
            preset: built.preset.clone(),
            secrets: built.secrets.len(),
            answer: built.sender.source.answer().status,
        }
    }

    pub fn log(&self) {
        let Self {
            source,
            preset,
            secrets,
            answer,
        } = self;
        let (preset, path) = (preset.as_deref().unwrap_or("none"), path(source));
        tracing::info!(
            event = "source_configured",
            source,
            preset,
            path,
            secrets,
            answer,
            "a source is configured"
        );
    }
}

impl Warning {
    pub fn log(&self) {
        match self {
            Self::Unverified { source } => {
                tracing::warn!(
                    event = "source_unverified",
                    source,
                    "NOTHING IS VERIFIED: whoever reaches this source's path can send what it takes for genuine"
                );
            }
            Self::Padded { told } => {
                tracing::warn!(
                    event = "secret_has_white_space",
                    "{told}: a secret has white space at its beginning or end, which is taken for a part of it"
                );
            }
            Self::Short { told, bytes } => {
                tracing::warn!(
                    event = "secret_is_short",
                    bytes,
                    "{told}: a secret has less than 16 bytes; whoever guesses it can send what is taken for genuine"
                );
            }
        }
    }
}

/// Something cannot be read again, or is wrong now. What was last good stands.
pub fn log_fault(sentence: &str) {
    tracing::error!(
        event = "source_not_read_again",
        "{sentence}; what was last good stays in use, and a restart would fail"
    );
}

/// It can be read again.
pub fn log_mended(about: &str) {
    tracing::info!(
        event = "source_read_again",
        "{about}: it is as it should be again"
    );
}

/// There are other sources now, or other secrets.
pub fn log_swapped(sources: usize, files: &str) {
    tracing::info!(
        event = "sources_swapped",
        sources,
        files,
        "what has changed in files is in use"
    );
}
