//! Spans of others, and ours as others read them: `traceparent`, <https://www.w3.org/TR/trace-context/>.

use uuid::Uuid;

use crate::SpanId;

/// Of version 00, and of what stands first in later ones.
const LENGTH: usize = 55;

/// A span of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    pub(crate) trace: u128,
    pub(crate) span: SpanId,
    pub(crate) flags: u8,
}

impl Remote {
    /// What a `traceparent` says; `None` if it says nothing that can be read.
    pub fn parse(header: &str) -> Option<Self> {
        let (known, more) = header.split_at_checked(LENGTH)?;
        let fields: Vec<&str> = known.split('-').collect();
        let [version, trace, span, flags] = fields[..] else {
            return None;
        };
        let (version, trace) = (hex(version, 2)?, hex(trace, 32)?);
        let (span, flags) = (hex(span, 16)?, hex(flags, 2)?);
        let is_whole = match version {
            0 => more.is_empty(),
            0xff => false,
            // Later versions may say more.
            _ => more.is_empty() || more.starts_with('-'),
        };
        (is_whole && trace != 0).then_some(Self {
            trace,
            span: SpanId::new(span as u64)?,
            flags: flags as u8,
        })
    }
}

/// A number of so many hexadecimal digits, all of them small.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let is_number = text.len() == digits && text.bytes().all(is_digit);
    is_number.then(|| u128::from_str_radix(text, 16).ok())?
}

/// What is sent on with whatever `span` causes in the trace of `row`.
pub fn traceparent(row: Uuid, span: SpanId, is_kept: bool) -> String {
    format!("00-{}-{span}-{:02x}", row.simple(), u8::from(is_kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_span_of_somebody_else_is_read() {
        for (header, flags) in [
            (format!("00-{TRACE}-{SPAN}-01"), 1),
            (format!("00-{TRACE}-{SPAN}-00"), 0),
            (format!("01-{TRACE}-{SPAN}-03"), 3),
            (format!("cc-{TRACE}-{SPAN}-01-what-comes-later"), 1),
        ] {
            let remote = Remote::parse(&header).unwrap();
            assert_eq!(format!("{:032x}", remote.trace), TRACE, "{header}");
            assert_eq!(remote.span.to_string(), SPAN, "{header}");
            assert_eq!(remote.flags, flags, "{header}");
        }
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for header in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-0{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}_01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            "ü".repeat(55),
        ] {
            assert_eq!(Remote::parse(&header), None, "{header}");
        }
    }

    #[test]
    fn what_we_say_can_be_read() {
        let (row, span) = (Uuid::now_v7(), SpanId::random());
        for is_kept in [true, false] {
            let told = Remote::parse(&traceparent(row, span, is_kept)).unwrap();
            assert_eq!((told.trace, told.span), (row.as_u128(), span));
            assert_eq!(told.flags, u8::from(is_kept));
        }
    }
}
