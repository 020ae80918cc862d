//! Senders whose proof is no row of data.

pub(crate) mod adyen;
pub(crate) mod paypal;
pub(crate) mod plaid;
pub(crate) mod twilio;
