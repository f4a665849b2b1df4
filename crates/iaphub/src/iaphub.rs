//! IAPHUB as the rest of the house uses it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use entitlement::clock::Timestamp;
use entitlement::failure::{Class, Failure};
use entitlement::names::{AccessLevel, Customer};
use entitlement::status::LevelStatus;
use wire::upstream::{Call, Upstream};

use crate::read;

const READING: &str = "reading the user";

/// One app at IAPHUB; clones share its limits and pauses.
#[derive(Clone, Debug)]
pub struct Iaphub {
    upstream: Upstream,
    app: Arc<str>,
    environment: Arc<str>,
    levels: Arc<BTreeMap<String, AccessLevel>>,
}

impl Iaphub {
    /// The app `app` behind `upstream`, which [`crate::setup::setup`] describes. `levels` says which product of the stores,
    /// by its sku or its group's name, opens which level.
    #[must_use]
    pub fn new(upstream: Upstream, app: &str, environment: &str, levels: BTreeMap<String, AccessLevel>) -> Self {
        Self { upstream, app: app.into(), environment: environment.into(), levels: Arc::new(levels) }
    }

    /// The upstream, for its name and its pauses.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The levels that what `customer` bought in the stores opens at `now`. A user whom IAPHUB does not know bought nothing.
    ///
    /// # Errors
    /// [`Failure`]; an error inside an answer with 200 is transient, as is an answer that cannot be read.
    pub async fn shown(&self, customer: &Customer, now: Timestamp) -> Result<Vec<LevelStatus>, Failure> {
        match self.upstream.get(self.reading(customer)).await {
            Ok(answer) => read::levels(&answer.body, &self.levels, now)
                .map_err(|why| Failure::new(Class::Transient, format!("{READING} at iaphub: {why}"))),
            Err(failure) if failure.status == Some(404) => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    /// `returnNew`: a user who never opened the app is answered for like one who bought nothing.
    fn reading(&self, customer: &Customer) -> Call {
        let (app, user) = (encoded(&self.app), encoded(customer.as_str()));
        let environment = encoded(&self.environment);
        let path = format!("/v1/app/{app}/user/{user}?environment={environment}&returnNew=true");
        Call { what: READING.to_owned(), path, headers: Vec::new() }
    }
}

/// A segment or value that means itself wherever it stands; dots are encoded, since a path takes them for steps.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // writing to a string cannot fail
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn whatever_a_user_is_called_is_one_segment() {
        assert_eq!(encoded("u-1_~"), "u-1_~");
        assert_eq!(encoded("../a b?c=é"), "%2E%2E%2Fa%20b%3Fc%3D%C3%A9");
        assert_eq!(encoded(".."), "%2E%2E");
    }
}
