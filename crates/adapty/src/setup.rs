//! What a request to Adapty needs besides its path.

use std::time::Duration;

use wire::call::Call;
use wire::limit::LimitScope;
use wire::setup::Setup;

/// The upstream called `name` of an app of Adapty at `base` (`https://api.adapty.io`), with the app's secret `key`.
///
/// Adapty publishes no rate limit; it is smoothed, per key, and answers 429 beyond it. Every request says its content
/// type, as the API's page demands ("All request must set header Content-Type").
#[must_use]
pub fn setup(name: &str, base: impl Into<String>, key: &str, per_second: u32, timeout: Duration) -> Setup {
    let headers = vec![("authorization", format!("Api-Key {key}")), ("content-type", "application/json".to_owned())];
    Setup {
        name: name.into(),
        base: base.into(),
        headers,
        per_second,
        limit: LimitScope::Process,
        timeout,
        probe: probe(),
        // a wrong key is answered 401 `not_authenticated`
        key_codes: &[],
    }
}

/// A profile that nobody has, read through the API that every key opens.
fn probe() -> Call {
    let path = "/api/v1/sdk/profiles/grantsync-probe/".to_owned();
    Call { what: "probing".to_owned(), path, about: None, headers: Vec::new() }
}
