//! One app at IAPHUB: what its users bought in the stores.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entitlement::model::access_level::AccessLevel;
use entitlement::model::clock::{Timestamp, after};
use entitlement::model::failure::{Class, Failure};
use entitlement::model::user::User;
use entitlement::status::LevelStatus;
use wire::call::Call;
use wire::upstream::Upstream;

use crate::read;

const READING: &str = "reading the user";

/// One app at IAPHUB; clones share its limits and pauses.
#[derive(Clone, Debug)]
pub struct Iaphub {
    pub(crate) upstream: Upstream,
    pub(crate) app: Arc<str>,
    pub(crate) environment: Arc<str>,
    levels: Arc<BTreeMap<String, AccessLevel>>,
}

impl Iaphub {
    /// The app `app` behind `upstream`, which [`crate::setup::setup`] describes. `levels` says which product of the stores,
    /// by its sku or its group's name, opens which level.
    #[must_use]
    pub fn new(upstream: Upstream, app: &str, environment: &str, levels: BTreeMap<String, AccessLevel>) -> Self {
        Self { upstream, app: app.into(), environment: environment.into(), levels: Arc::new(levels) }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        Self { upstream: self.upstream.with_rate_share(percent), ..self.clone() }
    }

    /// The upstream, for its name and its pauses.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The levels that the stores' purchases of `user` open at `now`. What is active without an end to come is taken to
    /// last for the time that an answer is `good_for`.
    ///
    /// # Errors
    /// [`Failure`]; an error inside an answer with 200 is transient, as is an answer that cannot be read, or a 404: IAPHUB
    /// answers 200 for a user it does not know, so a 404 says nothing of any user.
    pub async fn store_purchases(
        &self,
        user: &User,
        now: Timestamp,
        good_for: Duration,
    ) -> Result<Vec<LevelStatus>, Failure> {
        let answer = self.upstream.get(self.reading(user)).await.map_err(of_read)?;
        let open_until = after(now, TimeDelta::from_std(good_for).unwrap_or(TimeDelta::MAX));
        read::levels(&answer.body, &self.levels, now, open_until)
            .map_err(|why| Failure::new(Class::Transient, format!("{READING} at iaphub: {why}")))
    }

    /// `returnNew`: a user who never opened the app is answered for like one who bought nothing.
    fn reading(&self, user: &User) -> Call {
        let app = encoded(&self.app);
        let name = encoded(user.as_str());
        let environment = encoded(&self.environment);
        let path = format!("/v1/app/{app}/user/{name}?environment={environment}&returnNew=true");
        Call { what: READING.to_owned(), path, about: Some(user.as_str().to_owned()), headers: Vec::new() }
    }
}

/// A failed read, classified: a 404 is about the address, which may be right again later.
fn of_read(failure: Failure) -> Failure {
    match failure.class {
        Class::Missing => Failure { class: Class::Transient, ..failure },
        Class::Transient | Class::Permanent | Class::Credentials | Class::Forbidden | Class::GateClosed => failure,
    }
}

/// A segment or value that means itself wherever it stands; dots are encoded, since a path takes them for steps.
pub(crate) fn encoded(text: &str) -> String {
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
    use super::*;
    use crate::sample::{iaphub, user};

    #[test]
    fn whatever_a_user_is_called_is_one_segment() {
        assert_eq!(encoded("u-1_~"), "u-1_~");
        assert_eq!(encoded("../a b?c=é"), "%2E%2E%2Fa%20b%3Fc%3D%C3%A9");
        assert_eq!(encoded(".."), "%2E%2E");
    }

    #[test]
    fn a_user_is_read_in_the_apps_environment_and_may_be_unknown() {
        let expected = "/v1/app/app_1/user/u-1?environment=production&returnNew=true";
        assert_eq!(iaphub().reading(&user()).path, expected);
    }

    #[test]
    fn a_read_that_is_answered_404_is_tried_again() {
        let class = |class| of_read(Failure::new(class, READING)).class;
        assert_eq!(class(Class::Missing), Class::Transient);
        assert_eq!(class(Class::Permanent), Class::Permanent);
        assert_eq!(class(Class::Credentials), Class::Credentials);
    }
}
