//! Webhooks of sources: the whole way, over real sockets, on real databases.

mod bad_input;
mod good;
mod scene;
mod trouble;
