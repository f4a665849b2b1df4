//! The rate limit of an upstream: of this process, or shared by all processes with the same key.

use std::num::NonZeroU32;

use sha2::{Digest, Sha256};

use crate::bucket::Bucket;
use crate::shared_bucket::{Refused, SharedBucket};
use crate::token_server::TokenServer;

/// Who may send so many requests a second.
#[derive(Clone, Debug, Default)]
pub enum LimitScope {
    /// This process.
    #[default]
    Process,
    /// All processes that use the same key, together.
    Shared(TokenServer),
}

/// The rate limit of one upstream.
#[derive(Debug)]
pub enum Limit {
    None,
    Process(Bucket),
    Shared(SharedBucket),
}

impl Limit {
    /// The limit called `name` of `per_second` requests a second; 0 is no limit, and only pauses are shared.
    #[must_use]
    pub fn new(scope: LimitScope, name: String, per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second);
        match (scope, per_second) {
            (LimitScope::Process, None) => Self::None,
            (LimitScope::Process, Some(per_second)) => Self::Process(Bucket::new(per_second)),
            (LimitScope::Shared(server), per_second) => Self::Shared(SharedBucket::new(server, name, per_second)),
        }
    }

    /// Takes a token, waiting for it where there is none. Only a shared limit refuses.
    ///
    /// # Errors
    /// While the upstream is paused, and when the token server does not answer.
    pub async fn take(&self) -> Result<(), Refused> {
        match self {
            Self::None => {}
            Self::Process(bucket) => bucket.take().await,
            Self::Shared(bucket) => bucket.take().await?,
        }
        Ok(())
    }

    /// The upstream answered this process with a `Retry-After`: reported to the others.
    pub(crate) fn report_pause(&self, seconds: i64) {
        match self {
            Self::None | Self::Process(_) => {}
            Self::Shared(bucket) => bucket.report_pause(seconds),
        }
    }

    /// It answered another process so.
    pub(crate) fn pause(&self, seconds: i64) {
        match self {
            Self::None | Self::Process(_) => {}
            Self::Shared(bucket) => bucket.pause(seconds),
        }
    }
}

/// The name of the limit of `upstream` under the key in `headers`: `adapty:` and 16 hex digits of a hash.
///
/// Two keys are two limits. Only `authorization` counts, if there is one: an API version among the headers must not
/// split the limit while processes of two versions run side by side. The key cannot be had from the digits.
pub(crate) fn name(upstream: &str, headers: &[(&'static str, String)]) -> String {
    let has_key = headers.iter().any(|(header, _)| is_key(header));
    let mut hash = Sha256::new_with_prefix("grantsync rate limit\n");
    for (header, value) in headers.iter().filter(|(header, _)| !has_key || is_key(header)) {
        hash.update(format!("{}: {value}\n", header.to_ascii_lowercase()));
    }
    format!("{upstream}:{}", hex::encode(&hash.finalize()[..8]))
}

fn is_key(header: &str) -> bool {
    header.eq_ignore_ascii_case("authorization")
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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
        let (server, _requests) = tokio::sync::mpsc::channel(1);
        for scope in [LimitScope::Process, LimitScope::Shared(server)] {
            let (limit, start) = (Limit::new(scope, "adapty:1".to_owned(), 0), Instant::now());
            for _ in 0..10_000 {
                limit.take().await.unwrap();
            }
            assert_eq!(start.elapsed(), std::time::Duration::ZERO);
        }
    }
}
