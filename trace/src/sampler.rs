//! Which traces are kept.

use thiserror::Error;
use uuid::Uuid;

/// Decides by a row's id alone, so all processes decide alike, and a trace is kept as a whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Out of 2^32.
    kept: u64,
}

/// What was given names no sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadSampler {
    #[error(
        "must be always_on, always_off or traceidratio, or one of them with parentbased_ before it"
    )]
    Name,
    #[error("must be a number from 0 to 1, such as 0.1")]
    Argument,
}

impl Sampler {
    /// A sampler by the names that OpenTelemetry has given. Nobody is above the arrival of a webhook (a stranger's wish to be
    /// traced is none), so `parentbased_…` is the same without that.
    ///
    /// # Errors
    /// It is none of them, or `argument` is no share of traces.
    pub fn parse(name: &str, argument: Option<&str>) -> Result<Self, BadSampler> {
        let share = match name.strip_prefix("parentbased_").unwrap_or(name) {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => argument.map_or(Ok(1.0), share)?,
            _ => return Err(BadSampler::Name),
        };
        Ok(Self {
            kept: (share * 2f64.powi(32)) as u64,
        })
    }

    /// Whether the trace of this row is kept.
    pub(crate) fn keeps(self, row: Uuid) -> bool {
        // Of a UUID version 7 as we make it only the last 32 bits are random: what stands before them is fixed, a time, or a
        // number that counts what was made within the same millisecond, and would keep bursts as a whole.
        row.as_u128() as u64 & 0xffff_ffff < self.kept
    }
}

fn share(text: &str) -> Result<f64, BadSampler> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(BadSampler::Argument),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many rows that come as fast as they can.
    fn kept(sampler: Sampler, rows: usize) -> usize {
        let rows = (0..rows).map(|_| Uuid::now_v7());
        rows.filter(|row| sampler.keeps(*row)).count()
    }

    #[test]
    fn a_share_of_real_ids_is_kept_within_every_burst() {
        let sampler = Sampler::parse("traceidratio", Some("0.25")).unwrap();
        for _ in 0..20 {
            let kept = kept(sampler, 1000);
            // Eight standard deviations.
            assert!((140..=360).contains(&kept), "{kept}");
        }
    }

    #[test]
    fn all_and_none_are_what_they_say() {
        for (name, argument, all) in [
            ("always_on", None, true),
            ("parentbased_always_on", Some("0"), true),
            ("traceidratio", None, true),
            ("parentbased_traceidratio", Some("1.0"), true),
            ("always_off", None, false),
            ("parentbased_always_off", None, false),
            ("traceidratio", Some("0"), false),
        ] {
            let sampler = Sampler::parse(name, argument).unwrap();
            assert_eq!(kept(sampler, 1000), if all { 1000 } else { 0 }, "{name}");
        }
    }

    #[test]
    fn what_is_no_sampler_is_refused() {
        for (name, argument, error) in [
            ("jaeger_remote", None, BadSampler::Name),
            ("parentbased_", None, BadSampler::Name),
            ("traceidratio", Some("10%"), BadSampler::Argument),
            ("traceidratio", Some("1.5"), BadSampler::Argument),
            ("traceidratio", Some("-0.1"), BadSampler::Argument),
            (
                "parentbased_traceidratio",
                Some("NaN"),
                BadSampler::Argument,
            ),
        ] {
            assert_eq!(Sampler::parse(name, argument), Err(error), "{name}");
        }
    }
}
