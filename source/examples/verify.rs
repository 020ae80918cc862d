//! How long it takes to judge a genuine request of Stripe's with a body of 1 kB:
//! `cargo run --release -p source --example verify`.

use std::{hint::black_box, time::Instant};

use source::{Credentials, Request, Secret, Settings, Source, Verdict};
use time::OffsetDateTime;

const ROUNDS: u32 = 200_000;
const BODY_BYTES: usize = 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings {
        preset: Some("stripe".to_owned()),
        ..Settings::default()
    };
    let secrets = |count: usize| {
        let others = (1..count).map(|number| Secret::from(format!("whsec_old_{number}")));
        [Secret::from("whsec_test_secret")]
            .into_iter()
            .chain(others)
            .collect()
    };
    let start = r#"{"id":"evt_1","type":"charge.succeeded","created":1790000000,"data":""#;
    let fill = "x".repeat(BODY_BYTES - start.len() - 2);
    let body = format!("{start}{fill}\"}}");
    for count in [1, 2] {
        let credentials = Credentials {
            secrets: secrets(count),
            ..Credentials::default()
        };
        let source = Source::new(&settings, &credentials)?;
        let unsigned = Request {
            method: "POST",
            url: "",
            query: "",
            headers: &[],
            body: body.as_bytes(),
            now: OffsetDateTime::from_unix_timestamp(1_790_000_000)?,
        };
        let signed = source.sign(&unsigned).ok_or("it cannot be signed")?;
        let headers = signed
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.collect();
        let genuine = Request {
            headers: &headers,
            ..unsigned
        };
        let forged = [("Stripe-Signature", b"t=1790000000,v1=00".as_slice())];
        let forged = Request {
            headers: &forged,
            ..unsigned
        };
        for (name, request, expected) in [("genuine", &genuine, true), ("forged", &forged, false)] {
            let begun = Instant::now();
            for _ in 0..ROUNDS {
                let verdict = source.judge(black_box(request));
                let is_genuine = matches!(black_box(verdict), Verdict::Genuine(_));
                if is_genuine != expected {
                    return Err(name.into());
                }
            }
            let each = begun.elapsed() / ROUNDS;
            println!("{name}, {count} secrets: {} ns", each.as_nanos());
        }
    }
    Ok(())
}
