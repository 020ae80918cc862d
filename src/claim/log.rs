//! Whether a write-ahead log belongs to the database beside it.
//!
//! A log says nothing about the database it was written for. When an older copy is put back over a database and the newer
//! one's log is left beside it, SQLite takes the two for one: pages of the newer state over pages of the older one. Two
//! things tell them apart, and neither can be otherwise after a crash or a loss of power at any instant, in the middle of a
//! checkpoint too:
//!
//! - **Size.** A log starts when the whole database is in its file. So every page that the last commit counts is in the file
//!   or in the log. An older copy that is smaller lacks some that are in neither.
//! - **Change counter.** The database's first page holds a number that never falls and rises by one at most each time the page
//!   is written ([`CHANGE_COUNTER_AT`]). SQLite takes the number that the writing connection read when it last had to read the
//!   page, and adds one (`pager_write_changecounter`). The file's is the one it had when the log started, or one that the log
//!   has had since: between the log's first less one and its last. A copy by `.backup` or `VACUUM INTO` begins with 1.
//!
//! The format: <https://sqlite.org/fileformat2.html>, section 4. What counts is what SQLite itself would recover: frames with
//! the header's salts and right checksums, up to the last that ends a transaction.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read},
    path::Path,
};

use api::file_watch::{CHANGE_COUNTER_AT, change_counter};
use thiserror::Error;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The log's first 4 bytes; the last bit says that checksums are over big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// Of the page that holds this byte SQLite writes nothing: it is for locks.
const PENDING_BYTE: u64 = 0x4000_0000;

/// Why the log cannot be that of the file beside it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Foreign {
    #[error("the database is empty, and its log is not")]
    Empty,
    #[error("the database has {pages} pages and its log was written for a larger one")]
    Smaller { pages: u64, salts: [u8; 8] },
    #[error("the database has change counter {counter} and its log {first} to {last}")]
    Counter {
        counter: u32,
        first: u32,
        last: u32,
        salts: [u8; 8],
    },
}

/// Compares a database with the log beside it. A log that is not there, or in which nothing is committed, belongs to all.
/// Costs one pass over the log, as SQLite's own recovery does. `database` must not be in use, or the answer may be wrong;
/// `None` stands for one that is not there.
pub fn compare(database: Option<&File>, log: &Path) -> io::Result<Option<Foreign>> {
    let log = match File::open(log) {
        Ok(log) => log,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(mut frames) = Frames::read_header(BufReader::new(log))? else {
        return Ok(None);
    };
    let bytes = match database {
        Some(database) => database.metadata()?.len(),
        None => 0,
    };
    let pages = bytes / frames.content.len() as u64;
    let Some(summary) = Summary::of(&mut frames, pages)? else {
        return Ok(None);
    };
    let Some(counter) = database.map(change_counter).transpose()?.flatten() else {
        return Ok(Some(Foreign::Empty));
    };
    let salts = frames.salts;
    if !summary.has_all_pages_after(pages, frames.content.len() as u64) {
        return Ok(Some(Foreign::Smaller { pages, salts }));
    }
    Ok(match summary.counters {
        Some((first, last)) if counter < first.saturating_sub(1) || counter > last => {
            Some(Foreign::Counter {
                counter,
                first,
                last,
                salts,
            })
        }
        _ => None,
    })
}

/// What the committed part of a log says.
#[derive(Default)]
struct Summary {
    /// The database's size after the last commit, in pages.
    size: u64,
    /// Pages beyond the size of the file, each at least once.
    beyond: Vec<u64>,
    /// The first page's first change counter and its last.
    counters: Option<(u32, u32)>,
}

impl Summary {
    /// `None` if nothing is committed. Of the pages it notes those after the first `pages`.
    fn of(frames: &mut Frames<impl Read>, pages: u64) -> io::Result<Option<Self>> {
        let mut seen = Self::default();
        let mut committed = None;
        while let Some(frame) = frames.next()? {
            if frame.page == 1 {
                let counter = big_endian(&frames.content[CHANGE_COUNTER_AT..]);
                let (first, _) = seen.counters.unwrap_or((counter, counter));
                seen.counters = Some((first, counter));
            }
            if u64::from(frame.page) > pages {
                seen.beyond.push(frame.page.into());
            }
            if frame.size_after_commit > 0 {
                seen.size = frame.size_after_commit.into();
                committed = Some((seen.beyond.len(), seen.size, seen.counters));
            }
        }
        Ok(committed.map(|(count, size, counters)| {
            seen.beyond.truncate(count);
            seen.beyond.sort_unstable();
            seen.beyond.dedup();
            Self {
                size,
                counters,
                beyond: seen.beyond,
            }
        }))
    }

    /// Whether every page that the last commit counts after the first `pages` is in the log.
    fn has_all_pages_after(&self, pages: u64, page_bytes: u64) -> bool {
        let pending = PENDING_BYTE / page_bytes + 1;
        let wanted = pages + 1..=self.size;
        let present = self.beyond.iter();
        let present = present.filter(|page| wanted.contains(page) && **page != pending);
        let exempt = u64::from(wanted.contains(&pending));
        present.count() as u64 + exempt == self.size.saturating_sub(pages)
    }
}

struct Frame {
    page: u32,
    /// The database's size in pages, if this frame ends a transaction; otherwise 0.
    size_after_commit: u32,
}

/// Reads a log frame by frame, as far as it is valid.
struct Frames<R> {
    log: R,
    is_big_endian: bool,
    salts: [u8; 8],
    checksum: (u32, u32),
    /// The present frame's page.
    content: Vec<u8>,
}

impl<R: Read> Frames<R> {
    /// `None` if the log does not begin as one.
    fn read_header(mut log: R) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        if !fill(&mut log, &mut header)? {
            return Ok(None);
        }
        let magic = big_endian(&header);
        let page_bytes = big_endian(&header[8..]) as usize;
        let is_big_endian = magic & 1 == 1;
        let checksum = checksum((0, 0), is_big_endian, &header[..24]);
        let is_valid = magic & !1 == MAGIC
            && page_bytes.is_power_of_two()
            && (512..=65536).contains(&page_bytes)
            && checksum == words(&header[24..]);
        let mut salts = [0; 8];
        salts.copy_from_slice(&header[16..24]);
        Ok(is_valid.then(|| Self {
            log,
            is_big_endian,
            salts,
            checksum,
            content: vec![0; page_bytes],
        }))
    }

    /// The next frame, whose page is in `self.content` then; `None` where the valid part ends.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut header = [0; FRAME_HEADER_BYTES];
        if !fill(&mut self.log, &mut header)? || !fill(&mut self.log, &mut self.content)? {
            return Ok(None);
        }
        let (page, size_after_commit) = words(&header);
        if page == 0 || header[8..16] != self.salts {
            return Ok(None);
        }
        let sum = checksum(self.checksum, self.is_big_endian, &header[..8]);
        self.checksum = checksum(sum, self.is_big_endian, &self.content);
        let is_valid = self.checksum == words(&header[16..]);
        Ok(is_valid.then_some(Frame {
            page,
            size_after_commit,
        }))
    }
}

/// Fills `buffer`; `false` if there is too little left.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The number in the first 4 of `bytes`.
fn big_endian(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn words(bytes: &[u8]) -> (u32, u32) {
    (big_endian(bytes), big_endian(&bytes[4..]))
}

/// The format's running checksum, section 4.2; `bytes` are a multiple of 8.
fn checksum(from: (u32, u32), is_big_endian: bool, bytes: &[u8]) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let word = big_endian(bytes);
        match is_big_endian {
            true => word,
            false => word.swap_bytes(),
        }
    };
    bytes.chunks_exact(8).fold(from, |(first, second), pair| {
        let first = first.wrapping_add(word(pair)).wrapping_add(second);
        let second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
        (first, second)
    })
}

#[cfg(test)]
mod tests;
