//! Signatures after Standard Webhooks 1.0.0, the symmetric scheme: a receiver can tell who has sent a
//! request, that nobody has altered it, and when it was made.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::hmac;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::Error;

const PREFIX: &str = "whsec_";
/// Bytes of a key, as the specification wants them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that both sides know.
#[derive(Clone)]
pub(super) struct Secret(hmac::Key);

impl Secret {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let encoded = text.strip_prefix(PREFIX).ok_or(Error::Secret)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| Error::Secret)?;
        if !KEY_BYTES.contains(&key.len()) {
            return Err(Error::Secret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: Uuid, at: OffsetDateTime, body: &[u8]) -> String {
        self.sign_text(&id.to_string(), at.unix_timestamp(), body)
    }

    /// Neither the id nor the time may contain a dot, or one signature could stand for two contents.
    fn sign_text(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{id}.{timestamp}.").as_bytes());
        signing.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(signing.sign()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the reference libraries of Standard Webhooks are tested with. The same value comes
    /// from `openssl dgst -sha256 -mac HMAC -macopt hexkey:…`.
    #[test]
    fn the_reference_example_is_signed_as_everywhere() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = secret.sign_text(id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_its_prefix_and_24_to_64_bytes() {
        let of = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        for bytes in [24, 32, 64] {
            assert!(Secret::parse(&of(bytes)).is_ok(), "{bytes}");
        }
        for bytes in [0, 23, 65] {
            assert_eq!(Secret::parse(&of(bytes)).err(), Some(Error::Secret));
        }
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
            " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert_eq!(Secret::parse(text).err(), Some(Error::Secret), "{text}");
        }
        assert!(
            Error::Secret
                .to_string()
                .starts_with("PROCESS_SECRET must ")
        );
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
