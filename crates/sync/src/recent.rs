//! Profiles as our own last writes left them, so that the further bells of one purchase need not read them again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Duration;
use entitlement::clock::{Timestamp, after};
use entitlement::key::StepKey;
use entitlement::names::User;
use entitlement::profile::Profile;

/// How many are remembered; each is good for `profile_lag` alone.
const MOST: usize = 1_024;

/// A shortcut that may be lost at any time: what must be known stands in the ledger. Clones share what they remember.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    left: HashMap<Whose, Left>,
    /// In the order in which they were kept.
    order: VecDeque<(Whose, Timestamp)>,
}

/// An app's name, and its customer.
type Whose = (String, User);

/// What a write left.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub(crate) profile: Profile,
    /// The last step that was sent.
    pub(crate) key: StepKey,
    pub(crate) at: Timestamp,
}

impl Recent {
    /// What the last write to `app` left of `user`, where that is not older than `lag`.
    pub(crate) fn left(&self, app: &str, user: &User, lag: Duration, now: Timestamp) -> Option<Left> {
        let whose = (app.to_owned(), user.clone());
        let is_recent = |left: &&Left| left.at <= now && now < after(left.at, lag);
        self.kept().left.get(&whose).filter(is_recent).cloned()
    }

    /// Remembers what a write to `app` left, and forgets what is older than `lag`.
    pub(crate) fn keep(&self, app: &str, left: Left, lag: Duration) {
        let (now, whose) = (left.at, (app.to_owned(), left.profile.user.clone()));
        let mut kept = self.kept();
        kept.order.push_back((whose.clone(), now));
        kept.left.insert(whose, left);
        while kept.order.len() > MOST || kept.order.front().is_some_and(|(_, at)| after(*at, lag) <= now) {
            kept.forget_oldest();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Unless it was kept anew since.
    fn forget_oldest(&mut self) {
        let Some((whose, at)) = self.order.pop_front() else { return };
        if self.left.get(&whose).is_some_and(|left| left.at == at) {
            self.left.remove(&whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn left(user: &str, seconds: i64) -> Left {
        let profile = Profile::absent(User::new(user).unwrap());
        Left { profile, key: StepKey::stored(format!("{user} {seconds}")), at: at(seconds) }
    }

    fn known(recent: &Recent, user: &str, seconds: i64) -> Option<String> {
        let found = recent.left("adapty", &User::new(user).unwrap(), Duration::seconds(30), at(seconds));
        found.map(|left| left.key.to_string())
    }

    impl Recent {
        fn counts(&self) -> (usize, usize) {
            let kept = self.kept();
            (kept.left.len(), kept.order.len())
        }
    }

    #[test]
    fn what_a_write_left_is_known_for_as_long_as_the_lag() {
        let recent = Recent::default();
        recent.keep("adapty", left("u1", 0), Duration::seconds(30));
        assert_eq!(known(&recent, "u1", 29), Some("u1 0".into()));
        assert_eq!((known(&recent, "u1", 30), known(&recent, "u1", -1), known(&recent, "u2", 1)), (None, None, None));
        recent.keep("adapty", left("u1", 20), Duration::seconds(30));
        recent.keep("adapty", left("u2", 35), Duration::seconds(30));
        assert_eq!(known(&recent, "u1", 40), Some("u1 20".into()), "it was kept anew");
        assert!(recent.left("other", &User::new("u2").unwrap(), Duration::seconds(30), at(36)).is_none());
    }

    #[test]
    fn what_is_over_and_what_is_too_much_is_forgotten() {
        let recent = Recent::default();
        (0..5_000).for_each(|number| recent.keep("adapty", left(&format!("u{number}"), 0), Duration::seconds(30)));
        assert_eq!(recent.counts(), (MOST, MOST));
        assert_eq!((known(&recent, "u0", 1), known(&recent, "u4999", 1)), (None, Some("u4999 0".into())));
        recent.keep("adapty", left("u1", 31), Duration::seconds(30));
        assert_eq!(recent.counts(), (1, 1));
        recent.keep("adapty", left("u2", 31), Duration::zero());
        assert_eq!(known(&recent, "u2", 31), None, "without a lag nothing is remembered");
    }
}
