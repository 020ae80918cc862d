//! Webhooks of sources: the whole way, over real sockets, on real databases.

mod bad_input;
mod good;
mod rotation;
mod scene;
mod trouble;
