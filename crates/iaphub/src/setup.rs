//! What a request to IAPHUB needs besides its path.

use std::time::Duration;

use wire::limit::LimitScope;
use wire::setup::{Forbidden, Setup};

/// The upstream of IAPHUB at `base` (`https://api.iaphub.com`), with the server's `key`.
///
/// The word before the key is `ApiKey`, where Adapty's is `Api-Key`. The page allows 5 requests a second for each endpoint,
/// of which only one is asked.
#[must_use]
pub fn setup(base: impl Into<String>, key: &str, per_second: u32, timeout: Duration) -> Setup {
    Setup {
        name: "iaphub".into(),
        base: base.into(),
        headers: vec![("authorization", format!("ApiKey {key}"))],
        per_second,
        limit: LimitScope::Process,
        timeout,
        forbidden: Forbidden::Key,
    }
}
