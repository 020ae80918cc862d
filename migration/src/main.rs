//! The usual sea-orm-migration command line: `cargo run -p migration -- up | down | status | …`.

use sea_orm_migration::prelude::*;

#[tokio::main]
async fn main() {
    // `generate` writes into the folder where it stands, and cargo stands in the workspace's.
    let writes = std::env::args().any(|argument| argument == "generate");
    if writes && let Err(error) = std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")) {
        eprintln!("cannot go to {}: {error}", env!("CARGO_MANIFEST_DIR"));
        std::process::exit(1);
    }
    cli::run_cli(migration::Migrator).await;
}
