//! The senders that are known by name, each a row: what proves a request, and where its event's id, type and time stand.

mod business;
mod developers;
mod messages;
mod payments;
mod row;

pub(crate) use row::Preset;
use row::Row;

/// The preset of this name, or of which it is another name.
pub(crate) fn find(name: &str) -> Option<Preset> {
    let mut rows = rows();
    let row = rows.find(|row| row.names.contains(&name))?;
    Some((row.preset)())
}

/// All presets, each with its names, the first of which is its own.
pub(crate) fn all() -> impl Iterator<Item = (&'static [&'static str], Preset)> {
    rows().map(|row| (row.names, (row.preset)()))
}

/// The names of all presets, other names of the same ones aside.
pub fn names() -> impl Iterator<Item = &'static str> {
    rows().filter_map(|row| row.names.first().copied())
}

fn rows() -> impl Iterator<Item = &'static Row> {
    let rows = [
        payments::ROWS,
        business::ROWS,
        developers::ROWS,
        messages::ROWS,
    ];
    rows.into_iter().flatten()
}
