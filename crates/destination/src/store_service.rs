//! What the app's stores sold, as another service knows it.

use std::time::Duration;

use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Failure;
use entitlement::model::user::User;
use entitlement::status::LevelStatus;
use iaphub::iaphub::Iaphub;
use wire::upstream::Upstream;

/// A service that is read for what the app's stores sold; nothing is granted or taken on its word.
#[derive(Clone, Debug)]
pub enum StoreService {
    Iaphub(Iaphub),
}

impl StoreService {
    /// The levels that the stores' purchases of `user` give at `now`. What is active without an end to come is taken to
    /// last for the time that an answer is `good_for`.
    ///
    /// # Errors
    /// The failed request.
    pub async fn read(&self, user: &User, now: Timestamp, good_for: Duration) -> Result<Vec<LevelStatus>, Failure> {
        match self {
            Self::Iaphub(iaphub) => iaphub.store_purchases(user, now, good_for).await,
        }
    }

    /// What its requests go through: rate limit, state, failures.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        match self {
            Self::Iaphub(iaphub) => iaphub.upstream(),
        }
    }
}
