//! As much of DER as it takes to find a public key: `ring` wants it bare, and senders hand it out wrapped.

use time::{Date, Month, OffsetDateTime, Time};

use crate::encoding::Encoding;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 2048 bits: `ring` verifies nothing shorter.
const MODULUS_BYTES_MIN: usize = 256;
/// An uncompressed point: 4, x, y.
const POINT_BYTES: usize = 65;

/// The bytes of a PEM text with this label, or of bare base64.
pub(crate) fn text(text: &str, label: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let base64 = match text.split_once(&begin) {
        Some((_, rest)) => rest.split_once(&end)?.0,
        None => text,
    };
    let base64: Vec<u8> = base64
        .bytes()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    Encoding::Base64.decode(&base64)
}

/// The `RSAPublicKey` in a `SubjectPublicKeyInfo`.
pub(crate) fn rsa_key(info: &[u8]) -> Option<Vec<u8>> {
    let (mut algorithm, key) = key_info(info)?;
    if algorithm.read(OBJECT_ID)? != RSA_ENCRYPTION {
        return None;
    }
    let mut numbers = Der(Der(key).read_last(SEQUENCE)?);
    let modulus = numbers.read(INTEGER)?;
    numbers.read_last(INTEGER)?;
    let is_long = modulus.len() >= MODULUS_BYTES_MIN;
    is_long.then(|| key.to_vec())
}

/// The point in a `SubjectPublicKeyInfo`.
pub(crate) fn p256_key(info: &[u8]) -> Option<Vec<u8>> {
    let (mut algorithm, key) = key_info(info)?;
    let is_p256 = algorithm.read(OBJECT_ID)? == EC_PUBLIC_KEY && algorithm.read(OBJECT_ID)? == P256;
    (is_p256 && key.len() == POINT_BYTES && key[0] == 4).then(|| key.to_vec())
}

/// The algorithm and the bytes of a `SubjectPublicKeyInfo`.
fn key_info(info: &[u8]) -> Option<(Der<'_>, &[u8])> {
    let mut info = Der(Der(info).read_last(SEQUENCE)?);
    let algorithm = Der(info.read(SEQUENCE)?);
    // The first byte says how many bits of the last one are unused: none.
    let key = info.read_last(BIT_STRING)?.strip_prefix(&[0])?;
    Some((algorithm, key))
}

/// An X.509 certificate that is believed because an operator has given it: its key, and while it may be used.
pub(crate) struct Certificate {
    pub(crate) rsa_key: Vec<u8>,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

pub(crate) fn certificate(bytes: &[u8]) -> Option<Certificate> {
    let mut certificate = Der(Der(bytes).read_last(SEQUENCE)?);
    let mut fields = Der(certificate.read(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.read(VERSION)?;
    }
    fields.read(INTEGER)?;
    let (_algorithm, _issuer) = (fields.read(SEQUENCE)?, fields.read(SEQUENCE)?);
    let mut validity = Der(fields.read(SEQUENCE)?);
    let _subject = fields.read(SEQUENCE)?;
    let (_, info) = fields.next()?;
    Some(Certificate {
        not_before: validity.time()?,
        not_after: validity.time()?,
        rsa_key: rsa_key(info)?,
    })
}

/// What has not been read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (content, whole) = self.next()?;
        (whole.first() == Some(&tag)).then_some(content)
    }

    fn read_last(&mut self, tag: u8) -> Option<&'a [u8]> {
        let content = self.read(tag)?;
        self.0.is_empty().then_some(content)
    }

    /// The next element: its content, and all of it.
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (_tag, rest) = self.0.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            // So many bytes of length follow: two are enough for any key.
            0x81 | 0x82 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some((content, whole))
    }

    /// `YYMMDDHHMMSSZ`, or with four digits of the year.
    fn time(&mut self) -> Option<OffsetDateTime> {
        let (text, whole) = self.next()?;
        let (year, rest) = match *whole.first()? {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year = number(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (number(year)?, rest)
            }
            _ => return None,
        };
        let (&[month, day, hour, minute, second], []) = rest.strip_suffix(b"Z")?.as_chunks::<2>()
        else {
            return None;
        };
        let small = |digits: [u8; 2]| u8::try_from(number(&digits)?).ok();
        let month = Month::try_from(small(month)?).ok()?;
        let date = Date::from_calendar_date(year, month, small(day)?).ok()?;
        let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
        Some(OffsetDateTime::new_utc(date, time))
    }
}

fn number(digits: &[u8]) -> Option<i32> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok()
}
