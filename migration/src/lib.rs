//! The schema's history. Owns every change ever made to the tables, in order, for PostgreSQL and
//! SQLite alike; depends on no other crate of the workspace, so that a migration never changes its
//! meaning because an entity did.
//!
//! A migration that has landed is frozen: a later change is a new file.
//!
//! `cargo run -p migration -- generate NAME` adds one here. It looks for the list below by its shape,
//! so the list stays at the end of this file.

pub use sea_orm_migration::prelude::*;

mod m20261123_000001_transactions;
mod m20261123_000002_leases;
mod m20261123_000003_attempts;
mod m20261127_000004_retries;
mod m20261127_000005_byte_order;
mod m20261128_000006_keys;
mod m20261128_000007_keys_of_what_is_there;
mod m20261128_000008_sources;
mod m20261128_000009_operators;
mod m20261128_000010_retention;
mod m20261128_000011_alerts;
mod migrator;

pub use migrator::{Migrator, needed, pending};

/// The migrations themselves, in the order of time; [`Migrator`] runs them.
struct History;

#[async_trait::async_trait]
impl MigratorTrait for History {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_transactions::Migration),
            Box::new(m20261123_000002_leases::Migration),
            Box::new(m20261123_000003_attempts::Migration),
            Box::new(m20261127_000004_retries::Migration),
            Box::new(m20261127_000005_byte_order::Migration),
            Box::new(m20261128_000006_keys::Migration),
            Box::new(m20261128_000007_keys_of_what_is_there::Migration),
            Box::new(m20261128_000008_sources::Migration),
            Box::new(m20261128_000009_operators::Migration),
            Box::new(m20261128_000010_retention::Migration),
            Box::new(m20261128_000011_alerts::Migration),
        ]
    }
}
