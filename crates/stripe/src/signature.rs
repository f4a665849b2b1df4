//! Whether a webhook was signed with a secret of ours.
//!
//! `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…]`, where `v1` is HMAC-SHA256 of `t`, a dot and the raw body
//! (<https://docs.stripe.com/webhooks#verify-manually>). While a secret is rolled, a header carries one `v1` for each
//! secret, and we may hold both secrets too: any pair that matches will do.

use std::fmt;

use entitlement::model::clock::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the header's time may be from ours, in seconds, both ways; the default of Stripe's own libraries.
pub const TOLERANCE_SECONDS: u64 = 300;

/// How many `v1` signatures of one header are tried.
const CANDIDATES: usize = 8;

/// Checks webhooks against every configured secret.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Hmac<Sha256>>,
}

impl Verifier {
    /// From the endpoint's secrets (`whsec_…`), all equally good. White space around a secret is not part of it, and a
    /// blank one is left out: it would let everybody sign.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn new(secrets: &[&str]) -> Self {
        let secrets = secrets.iter().map(|secret| secret.trim()).filter(|secret| !secret.is_empty());
        Self { keys: secrets.map(key).collect() }
    }

    /// Whether `header` may sign something at about `now`: to be asked before a body is read.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn accepts(&self, header: &str, now: Timestamp) -> Result<(), BadSignature> {
        let signed = signed_at(header, now)?;
        if signed.count > 0 { Ok(()) } else { Err(BadSignature::NoMatch) }
    }

    /// Whether `header` signs exactly these bytes, at about `now`.
    ///
    /// # Errors
    /// Says what is wrong with the signature; the endpoint answers 400.
    pub fn verify(&self, header: &str, body: &[u8], now: Timestamp) -> Result<(), BadSignature> {
        let signed = signed_at(header, now)?;
        if self.keys.iter().any(|key| signed.by(key, body)) { Ok(()) } else { Err(BadSignature::NoMatch) }
    }
}

fn signed_at(header: &str, now: Timestamp) -> Result<Signed<'_>, BadSignature> {
    let signed = Signed::read(header)?;
    if now.timestamp().abs_diff(signed.at) > TOLERANCE_SECONDS { Err(BadSignature::Stale) } else { Ok(signed) }
}

fn key(secret: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length")
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} secrets)", self.keys.len())
    }
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("the header `Stripe-Signature` is missing")]
    NoHeader,
    #[error("the header `Stripe-Signature` holds no time `t` or no signature `v1`")]
    Malformed,
    #[error("the time in `Stripe-Signature` is more than {TOLERANCE_SECONDS} s from ours")]
    Stale,
    #[error("no signature in `Stripe-Signature` matches a configured webhook secret")]
    NoMatch,
}

/// What a header says.
struct Signed<'a> {
    /// The time as it stands in the header, which is what was signed.
    time: &'a str,
    /// The same, in seconds since 1970.
    at: i64,
    candidates: [[u8; 32]; CANDIDATES],
    count: usize,
}

impl<'a> Signed<'a> {
    fn read(header: &'a str) -> Result<Self, BadSignature> {
        if header.trim().is_empty() {
            return Err(BadSignature::NoHeader);
        }
        let mut time = None;
        let mut signatures = 0_usize;
        let mut candidates = [[0; 32]; CANDIDATES];
        let mut count = 0;
        for pair in header.split(',') {
            let Some((scheme, value)) = pair.split_once('=') else { continue };
            match (scheme.trim(), value.trim()) {
                ("t", value) if time.is_none() => time = Some(value),
                ("t", _) => return Err(BadSignature::Malformed),
                ("v1", value) if signatures < CANDIDATES => {
                    signatures += 1;
                    // one that is not 32 bytes of hex matches nothing; the others may
                    if hex::decode_to_slice(value, &mut candidates[count]).is_ok() {
                        count += 1;
                    }
                }
                _ => {}
            }
        }
        let time = time.filter(|_| signatures > 0).ok_or(BadSignature::Malformed)?;
        Ok(Self { time, at: seconds(time).ok_or(BadSignature::Malformed)?, candidates, count })
    }

    /// Whether one of the signatures was made with `key`; each is compared in constant time.
    fn by(&self, key: &Hmac<Sha256>, body: &[u8]) -> bool {
        let mut mac = key.clone();
        mac.update(self.time.as_bytes());
        mac.update(b".");
        mac.update(body);
        self.candidates[..self.count].iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok())
    }
}

/// Digits only: `parse` alone would take a sign.
fn seconds(time: &str) -> Option<i64> {
    time.bytes().all(|byte| byte.is_ascii_digit()).then(|| time.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    // Made with another implementation:
    // python3 -c "import hmac; print(hmac.new(b'whsec_one', b'1767225600.' + body, 'sha256').hexdigest())"
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    const TIME: i64 = 1_767_225_600;
    const ONE: &str = "3fed2fa81d7ded81c97fa1ae8ab4ca3fe056238a85479452b3b83cdbbf6e61d3";
    const TWO: &str = "e9786b0f49fac07be960e2b37f37cfa3533acccaab474f82c214b4e2b1513816";
    const ONE_EMPTY_BODY: &str = "4e40e42cefde0acb6dfd89e5aabe02b25f30207456a848e362fe371641faa40b";

    fn judge_at(header: &str, body: &[u8], secrets: &[&str], now: i64) -> Result<(), BadSignature> {
        Verifier::new(secrets).verify(header, body, DateTime::from_timestamp(now, 0).unwrap())
    }

    fn judge(header: &str) -> Result<(), BadSignature> {
        judge_at(header, BODY, &["whsec_one"], TIME)
    }

    #[test]
    fn a_signature_made_elsewhere_is_believed() {
        assert_eq!(judge(&format!("t={TIME},v1={ONE}")), Ok(()));
        assert_eq!(judge_at(&format!("t={TIME},v1={TWO}"), BODY, &["whsec_two"], TIME), Ok(()));
        assert_eq!(judge_at(&format!("t={TIME},v1={ONE_EMPTY_BODY}"), b"", &["whsec_one"], TIME), Ok(()));
    }

    // Made by Stripe's own library, npm `stripe` 23.1.0:
    // stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: 1767225600 })
    #[test]
    fn a_header_made_by_stripes_own_library_is_believed() {
        let payload = r#"{"id":"evt_1PgafmB7WZ01zgkW6dKueIc5","object":"event","type":"invoice.paid","data":{"object":{"name":"Ünï ☕"}}}"#;
        let secret = "whsec_9f8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c";
        let header = "t=1767225600,v1=0c5ed78ba45aab83b815796a11dd94a93d3c0e92b8b8cfbc4440d3786e2bd1dc";
        assert_eq!(judge_at(header, payload.as_bytes(), &[secret], 1_767_225_600), Ok(()));
        let altered = payload.replace("Ünï", "Uni");
        assert_eq!(judge_at(header, altered.as_bytes(), &[secret], 1_767_225_600), Err(BadSignature::NoMatch));
    }

    #[test]
    fn the_order_the_spaces_the_case_and_other_schemes_do_not_matter() {
        let upper = ONE.to_uppercase();
        for header in [
            format!("v1={ONE},t={TIME}"),
            format!(" t = {TIME} , v1 = {ONE} "),
            format!("t={TIME},v1={upper}"),
            format!("t={TIME},v0={TWO},v1={ONE},v2=x=y,nonsense,,"),
            format!("t={TIME},v1=zz,v1={TWO},v1={ONE}"),
        ] {
            assert_eq!(judge(&header), Ok(()), "{header}");
        }
    }

    #[test]
    fn while_a_secret_is_rolled_either_side_may_hold_both() {
        let both = format!("t={TIME},v1={TWO},v1={ONE}");
        let one = format!("t={TIME},v1={ONE}");
        assert_eq!(judge_at(&both, BODY, &["whsec_one"], TIME), Ok(()));
        assert_eq!(judge_at(&one, BODY, &["whsec_two", "whsec_one"], TIME), Ok(()));
        assert_eq!(judge_at(&one, BODY, &["whsec_two"], TIME), Err(BadSignature::NoMatch));
    }

    #[test]
    fn a_time_more_than_five_minutes_away_is_stale_both_ways() {
        let header = format!("t={TIME},v1={ONE}");
        for (apart, expected) in [
            (0, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(BadSignature::Stale)),
            (-301, Err(BadSignature::Stale)),
        ] {
            assert_eq!(judge_at(&header, BODY, &["whsec_one"], TIME + apart), expected, "{apart}");
        }
        assert_eq!(judge(&format!("t={},v1={ONE}", i64::MAX)), Err(BadSignature::Stale));
    }

    #[test]
    fn a_head_is_judged_before_its_body() {
        let judge = |header: &str| {
            let now = DateTime::from_timestamp(TIME, 0).unwrap();
            Verifier::new(&["whsec_one"]).accepts(header, now)
        };
        assert_eq!(judge(&format!("t={TIME},v1={TWO}")), Ok(()), "of which body is not known yet");
        assert_eq!(judge(""), Err(BadSignature::NoHeader));
        assert_eq!(judge("t=1,v1=00"), Err(BadSignature::Stale));
        assert_eq!(judge(&format!("t={TIME}")), Err(BadSignature::Malformed));
        assert_eq!(judge(&format!("t={TIME},v1=00")), Err(BadSignature::NoMatch), "it is no signature at all");
    }

    #[test]
    fn a_header_without_a_time_or_a_signature_is_malformed() {
        for header in [
            "nonsense".to_owned(),
            format!("t={TIME}"),
            format!("v1={ONE}"),
            format!("t=,v1={ONE}"),
            format!("t=-{TIME},v1={ONE}"),
            format!("t=+{TIME},v1={ONE}"),
            format!("t={TIME}.0,v1={ONE}"),
            format!("t={TIME}{TIME},v1={ONE}"),
            format!("t={TIME},t={TIME},v1={ONE}"),
            format!("t={TIME},v0={ONE}"),
        ] {
            assert_eq!(judge(&header), Err(BadSignature::Malformed), "{header}");
        }
        assert_eq!(judge("  "), Err(BadSignature::NoHeader));
    }

    #[test]
    fn any_changed_bit_of_body_time_or_signature_is_noticed() {
        let header = format!("t={TIME},v1={ONE}");
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(judge_at(&header, &body, &["whsec_one"], TIME), Err(BadSignature::NoMatch), "byte {at}");
        }
        for at in 0..ONE.len() {
            let digit = if &ONE[at..=at] == "0" { "1" } else { "0" };
            let forged = format!("t={TIME},v1={}{digit}{}", &ONE[..at], &ONE[at + 1..]);
            assert_eq!(judge(&forged), Err(BadSignature::NoMatch), "digit {at}");
        }
        assert_eq!(judge(&format!("t={},v1={ONE}", TIME + 1)), Err(BadSignature::NoMatch));
        assert_eq!(judge(&format!("t={TIME},v1={}", &ONE[..62])), Err(BadSignature::NoMatch));
        assert_eq!(judge(&format!("t={TIME},v1={ONE}00")), Err(BadSignature::NoMatch));
    }

    #[test]
    fn only_the_first_eight_signatures_are_looked_at() {
        let wrong = format!(",v1={TWO}");
        assert_eq!(judge(&format!("t={TIME}{},v1={ONE}", wrong.repeat(7))), Ok(()));
        assert_eq!(judge(&format!("t={TIME}{},v1={ONE}", wrong.repeat(8))), Err(BadSignature::NoMatch));
    }

    #[test]
    fn a_blank_secret_lets_nobody_in() {
        assert_eq!(
            judge_at(
                &format!("t={TIME},v1=86d4c4d128318c70e1e4a09fdfaf8e3d89e290f4701e0ed1266b75768c8d4e68"),
                BODY,
                &["", "  "],
                TIME
            ),
            Err(BadSignature::NoMatch)
        );
        assert_eq!(judge_at(&format!("t={TIME},v1={ONE}"), BODY, &[" whsec_one\n"], TIME), Ok(()));
    }

    #[test]
    fn a_verifier_does_not_print_its_secrets() {
        assert_eq!(format!("{:?}", Verifier::new(&["whsec_one"])), "Verifier(1 secrets)");
    }
}
