//! What a request to IAPHUB needs besides its path.

use std::time::Duration;

use wire::call::Call;
use wire::limit::LimitScope;
use wire::setup::Setup;

use crate::iaphub::encoded;

/// The upstream of IAPHUB's app `app` at `base` (`https://api.iaphub.com`), with the server's `key`.
///
/// The word before the key is `ApiKey`, where Adapty's is `Api-Key`. The page allows 5 requests a second for each endpoint,
/// of which only one is asked.
#[must_use]
pub fn setup(base: impl Into<String>, app: &str, key: &str, per_second: u32, timeout: Duration) -> Setup {
    Setup {
        name: "iaphub".into(),
        base: base.into(),
        headers: vec![("authorization", format!("ApiKey {key}"))],
        per_second,
        limit: LimitScope::Process,
        timeout,
        probe: probe(app),
        key_codes: &[],
    }
}

/// A user whom nobody is: answered for like one who bought nothing.
fn probe(app: &str) -> Call {
    let path = format!("/v1/app/{}/user/grantsync-probe?environment=production&returnNew=true", encoded(app));
    Call { what: "probing".to_owned(), path, about: None, headers: Vec::new() }
}
