//! Profiles as our own last requests left them, so that the further events of one purchase need not read them again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Duration;
use entitlement::model::clock::{Timestamp, after};
use entitlement::model::key::StepKey;
use entitlement::model::profile::Profile;
use entitlement::model::user::User;

/// How many are cached; each is good for `profile_lag` alone.
const MOST: usize = 1_024;

/// A shortcut that may be lost at any time: what must be known stands in the ledger. Clones share what they remember.
#[derive(Clone, Debug, Default)]
pub struct ProfileCache(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    profiles: HashMap<Owner, CachedProfile>,
    /// In the order in which they were cached.
    order: VecDeque<(Owner, Timestamp)>,
}

/// An app's name, and its user.
type Owner = (String, User);

/// What a request left.
#[derive(Clone, Debug)]
pub(crate) struct CachedProfile {
    pub(crate) profile: Profile,
    /// The last step that was sent.
    pub(crate) key: StepKey,
    pub(crate) at: Timestamp,
}

impl ProfileCache {
    /// What the last request to `app` left of `user`, where that is not older than `lag`.
    pub(crate) fn get(&self, app: &str, user: &User, lag: Duration, now: Timestamp) -> Option<CachedProfile> {
        let owner = (app.to_owned(), user.clone());
        let is_recent = |cached: &&CachedProfile| cached.at <= now && now < after(cached.at, lag);
        self.entries().profiles.get(&owner).filter(is_recent).cloned()
    }

    /// Remembers what a request to `app` left, and forgets what is older than `lag`.
    pub(crate) fn keep(&self, app: &str, cached: CachedProfile, lag: Duration) {
        let now = cached.at;
        let owner = (app.to_owned(), cached.profile.user.clone());
        let mut entries = self.entries();
        entries.order.push_back((owner.clone(), now));
        entries.profiles.insert(owner, cached);
        while entries.order.len() > MOST || entries.order.front().is_some_and(|(_, at)| after(*at, lag) <= now) {
            entries.forget_oldest();
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Unless it was cached anew since.
    fn forget_oldest(&mut self) {
        let Some((owner, at)) = self.order.pop_front() else { return };
        if self.profiles.get(&owner).is_some_and(|cached| cached.at == at) {
            self.profiles.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn cached(user: &str, seconds: i64) -> CachedProfile {
        let profile = Profile::absent(User::new(user).unwrap());
        CachedProfile { profile, key: StepKey::stored(format!("{user} {seconds}")), at: at(seconds) }
    }

    fn known(cache: &ProfileCache, user: &str, seconds: i64) -> Option<String> {
        let found = cache.get("adapty", &User::new(user).unwrap(), Duration::seconds(30), at(seconds));
        found.map(|cached| cached.key.to_string())
    }

    impl ProfileCache {
        fn counts(&self) -> (usize, usize) {
            let entries = self.entries();
            (entries.profiles.len(), entries.order.len())
        }
    }

    #[test]
    fn a_profile_is_cached_for_as_long_as_the_lag() {
        let cache = ProfileCache::default();
        cache.keep("adapty", cached("u1", 0), Duration::seconds(30));
        assert_eq!(known(&cache, "u1", 29), Some("u1 0".into()));
        assert_eq!((known(&cache, "u1", 30), known(&cache, "u1", -1), known(&cache, "u2", 1)), (None, None, None));
        cache.keep("adapty", cached("u1", 20), Duration::seconds(30));
        cache.keep("adapty", cached("u2", 35), Duration::seconds(30));
        assert_eq!(known(&cache, "u1", 40), Some("u1 20".into()), "it was cached anew");
        assert!(cache.get("other", &User::new("u2").unwrap(), Duration::seconds(30), at(36)).is_none());
    }

    #[test]
    fn profiles_that_are_too_old_or_too_many_are_forgotten() {
        let cache = ProfileCache::default();
        (0..5_000).for_each(|number| cache.keep("adapty", cached(&format!("u{number}"), 0), Duration::seconds(30)));
        assert_eq!(cache.counts(), (MOST, MOST));
        assert_eq!((known(&cache, "u0", 1), known(&cache, "u4999", 1)), (None, Some("u4999 0".into())));
        cache.keep("adapty", cached("u1", 31), Duration::seconds(30));
        assert_eq!(cache.counts(), (1, 1));
        cache.keep("adapty", cached("u2", 31), Duration::zero());
        assert_eq!(known(&cache, "u2", 31), None, "without a lag nothing is cached");
    }
}
