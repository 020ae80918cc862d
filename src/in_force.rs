//! `hookline config`: which settings are in force, and where each comes from. Never a secret.

use clap::{ArgMatches, Args, Command, parser::ValueSource};
use queue::amqp;
use serde::Serialize;

use crate::{
    config::Config,
    output,
    table::{self, Output},
};

const HEADINGS: [&str; 3] = ["SETTING", "VALUE", "FROM"];
/// What stands for a value that may hold a secret.
const SET: &str = "(set)";

#[derive(Args)]
pub struct Arguments {
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

/// A setting as it was given.
#[derive(Clone)]
pub struct Setting {
    /// The variable's name.
    variable: String,
    /// `None` if it is not set, and has no default.
    value: Option<String>,
    /// Whether its value may hold a secret.
    is_secret: bool,
    from: Option<ValueSource>,
}

#[derive(Serialize)]
struct Line {
    setting: String,
    value: Option<String>,
    /// `flag`, `environment`, `.env` or `default`.
    from: Option<&'static str>,
}

/// All settings, in the order of `--help`.
pub fn settings(command: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let arguments = command.get_arguments();
    let settings = arguments.filter_map(|argument| {
        let variable = argument.get_env()?.to_str()?.to_owned();
        let id = argument.get_id().as_str();
        let values = matches.get_raw(id).into_iter().flatten();
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        Some(Setting {
            variable,
            value: (!values.is_empty()).then(|| values.join(",")),
            is_secret: argument.is_hide_env_values_set(),
            from: matches.value_source(id),
        })
    });
    settings.collect()
}

/// Prints them; `env_file` has the names of the variables that `.env` has given.
pub fn run(
    arguments: &Arguments,
    settings: &[Setting],
    env_file: &[String],
    config: &Config,
) -> anyhow::Result<()> {
    let lines: Vec<Line> = settings
        .iter()
        .map(|setting| Line {
            setting: setting.variable.clone(),
            value: shown(setting, config),
            from: from(setting, env_file),
        })
        .collect();
    output::print(&match arguments.output {
        Output::Json => table::json(&lines)?,
        Output::Table => {
            let rows: Vec<[String; 3]> = lines.iter().map(cells).collect();
            table::table(&HEADINGS, rows.iter().map(<[String; 3]>::as_slice))
        }
    })
}

/// What may be shown of a value.
fn shown(setting: &Setting, config: &Config) -> Option<String> {
    let value = setting.value.as_deref()?;
    let shown = match setting.variable.as_str() {
        "DATABASE_URL" => config.database_url.to_string(),
        "AMQP_URL" => amqp::place(value).unwrap_or(SET).to_owned(),
        _ if setting.is_secret => SET.to_owned(),
        _ => value.to_owned(),
    };
    Some(shown)
}

fn from(setting: &Setting, env_file: &[String]) -> Option<&'static str> {
    match setting.from? {
        ValueSource::DefaultValue => Some("default"),
        ValueSource::EnvVariable if env_file.contains(&setting.variable) => Some(".env"),
        ValueSource::EnvVariable => Some("environment"),
        _ => Some("flag"),
    }
}

fn cells(line: &Line) -> [String; 3] {
    let value = line.value.clone();
    [
        line.setting.clone(),
        value.unwrap_or_else(|| "-".into()),
        line.from.unwrap_or("not set").to_owned(),
    ]
}
