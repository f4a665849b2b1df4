//! Who keeps the rate limit of an upstream.

use std::num::NonZeroU32;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::lender::Lender;
use crate::shared::Shared;

/// Who is to keep the limit.
#[derive(Clone, Debug, Default)]
pub enum LimitBy {
    /// This process, for itself.
    #[default]
    Own,
    /// A lender, for all processes that use the same key.
    Shared(Lender),
}

/// The limit of one upstream.
#[derive(Debug)]
pub enum Limit {
    None,
    Own(Bucket),
    Shared(Shared),
}

/// Why no token is to be had for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The upstream wants to be left alone until then.
    Paused(Instant),
    /// Nobody lends: the database does not answer.
    Unavailable,
}

impl Limit {
    /// The limit called `name` of `per_second` requests a second; 0 is no limit, and only pauses are shared.
    #[must_use]
    pub fn new(by: LimitBy, name: String, per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second);
        match (by, per_second) {
            (LimitBy::Own, None) => Self::None,
            (LimitBy::Own, Some(per_second)) => Self::Own(Bucket::new(per_second)),
            (LimitBy::Shared(lender), per_second) => Self::Shared(Shared::new(lender, name, per_second)),
        }
    }

    /// Takes a token, waiting for it where there is none.
    ///
    /// # Errors
    /// [`Refusal`], only when the limit is shared.
    pub async fn take(&self) -> Result<(), Refusal> {
        match self {
            Self::None => {}
            Self::Own(bucket) => bucket.take().await,
            Self::Shared(shared) => shared.take().await?,
        }
        Ok(())
    }

    /// The upstream asked this process to be left alone for `seconds`: the others are told.
    pub(crate) fn hold(&self, seconds: i64) {
        match self {
            Self::None | Self::Own(_) => {}
            Self::Shared(shared) => shared.hold(seconds),
        }
    }

    /// It asked another process.
    pub(crate) fn heard(&self, seconds: i64) {
        match self {
            Self::None | Self::Own(_) => {}
            Self::Shared(shared) => shared.heard(seconds),
        }
    }
}

/// What the limit of `upstream` under the key in `headers` is called: `adapty:` and 16 hex digits of a hash.
///
/// Two keys are two limits. Only `authorization` counts, if there is one: an API version among the headers must not
/// split the limit while processes of two versions run side by side. Nobody gets from the digits back to a key.
pub(crate) fn name(upstream: &str, headers: &[(&'static str, String)]) -> String {
    let is_key = |header: &str| header.eq_ignore_ascii_case("authorization");
    let has_key = headers.iter().any(|(header, _)| is_key(header));
    let mut hash = Sha256::new_with_prefix("grantsync rate limit\n");
    for (header, value) in headers.iter().filter(|(header, _)| !has_key || is_key(header)) {
        hash.update(format!("{}: {value}\n", header.to_ascii_lowercase()));
    }
    format!("{upstream}:{}", hex::encode(&hash.finalize()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(headers: &[(&'static str, &str)]) -> String {
        let headers: Vec<_> = headers.iter().map(|(header, value)| (*header, (*value).to_owned())).collect();
        name("adapty", &headers)
    }

    #[test]
    fn two_keys_are_two_limits_and_neither_can_be_read_from_its_name() {
        let one = named(&[("authorization", "Api-Key secret_live_abc")]);
        assert_ne!(one, named(&[("authorization", "Api-Key secret_live_abd")]));
        let digits = one.strip_prefix("adapty:").unwrap();
        assert!(digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
        assert!(!digits.contains(&hex::encode("abc")));
    }

    #[test]
    fn only_the_key_names_a_limit() {
        let old = named(&[("Authorization", "k"), ("Stripe-Version", "2026-01-01")]);
        assert_eq!(old, named(&[("Stripe-Version", "2026-02-02"), ("authorization", "k")]));
        assert_ne!(named(&[("x-api-key", "a")]), named(&[("x-api-key", "b")]));
    }

    #[test]
    fn a_limits_name_is_the_same_for_every_version_of_the_program() {
        assert_eq!(named(&[("authorization", "Api-Key k")]), "adapty:600aa3dd2e1addbd");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let (lender, _asked) = tokio::sync::mpsc::channel(1);
        for by in [LimitBy::Own, LimitBy::Shared(lender)] {
            let (limit, start) = (Limit::new(by, "adapty:1".to_owned(), 0), Instant::now());
            for _ in 0..10_000 {
                limit.take().await.unwrap();
            }
            assert_eq!(start.elapsed(), std::time::Duration::ZERO);
        }
    }
}
