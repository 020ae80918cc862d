//! The testbed's command line.

mod command;
mod compose;
mod signals;
mod with_servers;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

const USAGE: &str = "\
Private servers for tests

testbed with-servers -- COMMAND…
    Run a command with PostgreSQL and RabbitMQ of its own, and stop them afterwards. A server that is named in
    TEST_DATABASE_URL or TEST_AMQP_URL is used rather than started, and the command sees both URLs there. The database's
    user must be allowed to create databases.
testbed can-start
    Succeed if PostgreSQL and RabbitMQ are installed here; otherwise name what is missing
";

/// For a command line that nobody understands.
const MISUSED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    run(&arguments).await.unwrap_or_else(|error| {
        eprintln!("testbed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(arguments: &[OsString]) -> Result<ExitCode> {
    match arguments {
        [task, dashes, command @ ..]
            if task == "with-servers" && dashes == "--" && !command.is_empty() =>
        {
            with_servers::run(command).await
        }
        [task] if task == "can-start" => with_servers::can_start().map(|()| ExitCode::SUCCESS),
        [task] if task == "--help" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(MISUSED))
        }
    }
}
