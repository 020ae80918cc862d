//! The process: one binary, several roles. Owns the command line, the environment, the signals and
//! the log; the only place where both halves of the service meet.

mod alerts;
mod chosen;
mod claim;
mod cli;
mod completions;
mod config;
mod database;
mod doctor;
mod duty;
mod env_file;
mod erase;
#[cfg(feature = "failpoints")]
mod failpoints;
mod figures;
mod files;
mod given;
mod in_force;
mod listen;
mod logging;
mod look;
mod mend;
mod migrate;
mod output;
mod pools;
mod progress;
mod reread;
mod retention;
mod role;
mod serve;
mod settings;
mod signals;
mod sources;
mod table;
mod tokens;
mod traces;

use std::process::ExitCode;

use cli::{Cli, Command};
use config::BadSetting;
use look::NotFound;
use mimalloc::MiMalloc;
use role::Role;

/// With thousands of connections the API carries more than with the system's allocator (docs/decisions/0013-mimalloc.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sockets that a thread takes from the kernel's list of ready ones when it has nothing else to do, and while it has. A
/// thread's queue holds 256 tasks; what finds it full goes to the queue that all share, where a busy thread looks only now
/// and then: under overload some requests waited there for seconds while others were answered at once. In the kernel's
/// list everybody has their turn.
const SOCKETS_AT_ONCE: usize = 128;
const SOCKETS_AT_ONCE_BUSY: usize = 8;

fn main() -> ExitCode {
    let files = files::raise_limit();
    // Before any thread exists: reading the file changes this process's environment.
    let settings = Cli::variables();
    let is_ours =
        |name: &str| settings.iter().any(|setting| setting == name) || sources::is_variable(name);
    let env_file = match env_file::load(is_ours) {
        Ok(env_file) => env_file,
        Err(sentence) => return fail(2, &sentence),
    };
    #[cfg(feature = "failpoints")]
    if let Err(sentence) = failpoints::arm() {
        return fail(2, &sentence);
    }
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(cli::Stop::Told(code)) => return code,
        Err(cli::Stop::BadValue(sentence)) => return fail(2, &sentence),
    };
    if let Err(sentence) = logging::start(&cli.config) {
        return fail(2, &sentence);
    }
    files.log();
    env_file.log();
    let code = match run(cli, env_file.given()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<BadSetting>() => fail(2, &sentence(&error)),
        Err(error) if error.is::<NotFound>() => fail(3, &sentence(&error)),
        Err(error) => fail(1, &sentence(&error)),
    };
    logging::end();
    code
}

fn run(cli: Cli, env_file: &[String]) -> anyhow::Result<()> {
    let Cli {
        command,
        config,
        settings,
    } = cli;
    let command = match command {
        Some(Command::Openapi) => return output::print(&api::openapi()),
        Some(Command::Config(arguments)) => {
            return in_force::run(&arguments, &settings, env_file, &config);
        }
        Some(Command::Completions(arguments)) => {
            return completions::run(&arguments, Cli::words());
        }
        Some(Command::Sources { command }) => return sources::command::run(command, &config),
        command => command,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_io_events_per_tick(SOCKETS_AT_ONCE)
        .max_io_events_per_busy_tick(SOCKETS_AT_ONCE_BUSY)
        .build()?;
    let outcome = runtime.block_on(async {
        match command {
            Some(Command::Migrate { command }) => migrate::run(command, &config).await,
            Some(Command::Doctor(arguments)) => doctor::run(&arguments, &config).await,
            Some(Command::Erase(arguments)) => erase::run(&arguments, &config).await,
            Some(Command::Retention(arguments)) => retention::run(&arguments, &config).await,
            Some(Command::Look(command)) => look::run(&command, &config).await,
            Some(Command::Mend(command)) => mend::run(&command, &config).await,
            Some(Command::Api) => serve::run(Role::Api, config).await,
            Some(Command::Consumer) => serve::run(Role::Consumer, config).await,
            _ => serve::run(Role::Everything, config).await,
        }
    });
    // What is still running has had its grace period.
    runtime.shutdown_background();
    outcome
}

/// The whole chain of causes in one line. Some of our libraries repeat a cause in what it caused;
/// nobody needs to read it twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence.replace('\n', " ")
}

/// One sentence, and no panic text.
fn fail(code: u8, sentence: &str) -> ExitCode {
    logging::say(sentence);
    ExitCode::from(code)
}
