//! The private servers do what the tests of the product rely on.
//!
//! `scripts/test` leaves out `private_servers`, and says so, on a machine where no server can be installed.

#[cfg(test)] // which it always is; clippy takes only what says so for test code
#[path = "servers"]
mod private_servers {
    mod clearing_up;
    mod postgres;
    mod rabbitmq;
}
