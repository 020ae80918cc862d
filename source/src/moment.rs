//! Times, as senders write them.

use time::{
    OffsetDateTime, PrimitiveDateTime,
    format_description::well_known::{Iso8601, Rfc3339},
};

use crate::{scheme::Unit, verdict::Reason};

/// Digits of a signed time: until the year 33658, in seconds.
const SECONDS_DIGITS_MAX: usize = 12;
const MILLISECONDS_DIGITS_MAX: usize = 13;
/// A number without a unit from here on is milliseconds: in seconds it would be the year 5138.
const MILLISECONDS_FROM: i128 = 100_000_000_000;
const NANOSECONDS: i128 = 1_000_000_000;

/// A signed time: digits alone, since what one reader takes for a number another does not.
pub(crate) fn signed(text: &str, unit: Unit) -> Option<OffsetDateTime> {
    let (digits_max, nanoseconds) = match unit {
        Unit::Iso => return OffsetDateTime::parse(text, &Rfc3339).ok(),
        Unit::Seconds => (SECONDS_DIGITS_MAX, NANOSECONDS),
        Unit::Milliseconds => (MILLISECONDS_DIGITS_MAX, NANOSECONDS / 1000),
    };
    let is_number = text.bytes().all(|c| c.is_ascii_digit()) && text.len() <= digits_max;
    let number = text.parse::<i128>().ok()?;
    let is_plain = is_number && (number == 0 || !text.starts_with('0'));
    if !is_plain {
        return None;
    }
    OffsetDateTime::from_unix_timestamp_nanos(number * nanoseconds).ok()
}

/// A signed time in the text of its unit.
pub(crate) fn write(time: OffsetDateTime, unit: Unit) -> String {
    match unit {
        Unit::Seconds => time.unix_timestamp().to_string(),
        Unit::Milliseconds => (time.unix_timestamp_nanos() * 1000 / NANOSECONDS).to_string(),
        Unit::Iso => time.format(&Rfc3339).unwrap_or_default(),
    }
}

/// Whether a signed time is near enough, before or after.
pub(crate) fn check(
    time: OffsetDateTime,
    tolerance: u32,
    now: OffsetDateTime,
) -> Result<(), Reason> {
    let skew = now - time;
    if skew.unsigned_abs() > std::time::Duration::from_secs(tolerance.into()) {
        return Err(Reason::Stale {
            skew: skew.whole_seconds(),
        });
    }
    Ok(())
}

/// An event's time, in whatever form: seconds or milliseconds since 1970, or ISO 8601, in UTC where it names no zone. It
/// proves nothing, so what cannot be read is none.
pub(crate) fn told(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(time);
    }
    if let Ok(time) = PrimitiveDateTime::parse(text, &Iso8601::DEFAULT) {
        return Some(time.assume_utc());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || whole.len() > SECONDS_DIGITS_MAX + 3 {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let fraction = format!("{fraction:0<9}");
    let fraction: i128 = fraction.get(..9)?.parse().ok()?;
    let nanoseconds = whole * NANOSECONDS + fraction;
    let nanoseconds = if whole >= MILLISECONDS_FROM {
        nanoseconds / 1000
    } else {
        nanoseconds
    };
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_time_is_digits_and_nothing_else() {
        assert_eq!(
            signed("1790000000", Unit::Seconds),
            signed("1790000000000", Unit::Milliseconds)
        );
        assert!(signed("0", Unit::Seconds).is_some());
        for text in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1e9",
            "1.0",
            "01790000000",
            "1790000000000",
            "99999999999999999999",
            "٣",
            "999999999999",
        ] {
            assert_eq!(signed(text, Unit::Seconds), None, "{text}");
        }
        assert_eq!(signed("17900000000000", Unit::Milliseconds), None);
        assert_eq!(signed("1790000000", Unit::Iso), None);
        assert!(signed("2026-09-21T14:13:20Z", Unit::Iso).is_some());
    }

    #[test]
    fn an_events_time_is_read_in_every_form() {
        let time = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        for text in [
            "1790000000",
            "1790000000000",
            "1790000000.000",
            "2026-09-21T14:13:20Z",
            "2026-09-21T16:13:20+02:00",
            "2026-09-21T14:13:20.0Z",
            "2026-09-21T14:13:20.000",
            "2026-09-21T14:13:20",
        ] {
            assert_eq!(told(text), Some(time), "{text}");
        }
        let half = time::Duration::milliseconds(500);
        assert_eq!(told("1790000000.5"), Some(time + half));
        assert_eq!(told("1790000000500"), Some(time + half));
        for text in [
            "",
            ".",
            "-5",
            "now",
            "99999999999999999999",
            "2026-13-01T00:00:00Z",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
