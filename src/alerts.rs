//! Operator events out: what somebody must know who looks at nothing. They are posted to `ALERT_URL`, signed as Standard
//! Webhooks, grouped, at most one a minute and kind from all processes together.

pub mod circuit;
pub mod failures;
mod paced;
mod post;
#[cfg(test)]
mod scene;
pub mod silence;

pub use paced::Paced;
pub use post::Post;
