//! Where the database is: what `DATABASE_URL` says, checked, and in one form that cannot be misread.
//!
//! The library takes a parameter that it does not know for nothing and writes its value into the log, and a `PG…` variable
//! that is wrong for one that is not set. So every part of an address is read here: it is understood, it is refused with what
//! would be right, or it is named in a warning. What comes out never leaves anything to the library's own guesses.

mod checked;
mod parameters;
mod parts;
mod password_file;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

pub use checked::Address;
use parts::no_control_characters;

impl Address {
    /// Reads the value of `DATABASE_URL`, and the `PG…` variables where it leaves something out. Fails with what would be
    /// right, to be read behind the variable's name, and without the value: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_with(text, environment)
    }

    fn parse_with(
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        no_control_characters(text)?;
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite::parse(rest),
            "postgres" | "postgresql" if rest.starts_with("//") => {
                postgres::parse(&rest[2..], environment)
            }
            _ => Err("must begin with sqlite:, postgres:// or postgresql://".into()),
        }
    }
}

/// A variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "PostgreSQL's own variables, which are parts of the address"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
