//! Times, as operators give and read them.

use std::time::Duration;

use time::{
    OffsetDateTime,
    format_description::well_known::{Iso8601, Rfc3339, iso8601},
};

/// RFC 3339 in UTC to the millisecond.
const TO_THE_MILLISECOND: iso8601::EncodedConfig = iso8601::Config::DEFAULT
    .set_time_precision(iso8601::TimePrecision::Second {
        decimal_digits: std::num::NonZero::new(3),
    })
    .encode();

/// A time such as `2024-01-15T10:30:00Z`, or how long ago it was, such as `90m` or `2days`.
pub fn ago_or_at(text: &str) -> Result<OffsetDateTime, &'static str> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).ok();
    let ago = ago.and_then(|ago| time::Duration::try_from(ago).ok());
    ago.and_then(|ago| OffsetDateTime::now_utc().checked_sub(ago))
        .ok_or("must be a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m or 2days")
}

/// Now, as it is asked for over HTTP.
pub fn now() -> String {
    rfc3339(OffsetDateTime::now_utc())
}

/// A time as it is asked for over HTTP.
pub fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// A time as it stands in a table.
pub fn told(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC)
        .format(&Iso8601::<TO_THE_MILLISECOND>)
        .unwrap_or_default()
}

/// A length of time that may have a sign, such as how long a lease runs: `for` a while more, or `over`.
pub fn left(millis: i64) -> String {
    match u64::try_from(millis) {
        Ok(left) => format!("for {}", length(left)),
        Err(_) => format!("over since {}", length(millis.unsigned_abs())),
    }
}

/// When something is due that is due so many milliseconds from now.
pub fn due(millis: i64) -> String {
    match u64::try_from(millis) {
        Ok(left) => format!("due in {}", length(left)),
        Err(_) => format!("due since {}", length(millis.unsigned_abs())),
    }
}

/// A length of time as it stands in a table: the largest two units of it.
pub fn length(millis: u64) -> String {
    let length = match millis {
        0..1000 => Duration::from_millis(millis),
        _ => Duration::from_secs(millis / 1000),
    };
    let told = humantime::format_duration(length).to_string();
    let units: Vec<&str> = told.split(' ').take(2).collect();
    units.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_as_such_or_by_how_long_ago_it_was() {
        let at = ago_or_at("2024-01-15T11:30:00.5+01:00").unwrap();
        assert_eq!(told(at), "2024-01-15T10:30:00.500Z");
        let ago = OffsetDateTime::now_utc() - ago_or_at("2h 30m").unwrap();
        assert!((ago - Duration::from_secs(9000)).abs() < Duration::from_secs(60));
        for text in ["", "yesterday", "2024-01-15", "-1h", "99999999999999y"] {
            assert!(ago_or_at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_length_is_told_by_its_two_largest_units() {
        for (millis, told) in [
            (0, "0s"),
            (999, "999ms"),
            (61_500, "1m 1s"),
            (90_061_000, "1day 1h"),
        ] {
            assert_eq!(length(millis), told);
        }
    }
}
