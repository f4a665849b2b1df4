//! Reads what the app's stores sold, from a service that sees it.
//!
//! It is read for the status of a user, never by a sync: nothing is granted or revoked for its answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use destination::store_service::StoreService;
use entitlement::model::clock::{Clock, Timestamp};
use entitlement::model::user::User;
use entitlement::status::LevelStatus;
use store::error::StoreError;
use store::open::Store;
use tokio::time::timeout;

/// How long a user's page waits for an answer; after that it shows what was read before.
const PATIENCE: Duration = Duration::from_secs(2);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long nobody waits for an answer again after there was none.
const RESPITE: TimeDelta = TimeDelta::seconds(10);

/// What is active without an end is shown as running for so long at least, since reading takes time too.
const SHORTEST_SPAN: Duration = Duration::from_secs(60);

/// Reads what the app's stores sold, and remembers it. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct StoreReader {
    service: StoreService,
    store: Store,
    good_for: Duration,
    clock: Clock,
    recent: Arc<Mutex<Recent>>,
}

/// What was requested just now.
#[derive(Debug, Default)]
struct Recent {
    /// When there was no answer, if that was the last of it.
    failed_at: Option<Timestamp>,
    /// Who is being read in the background.
    reading: HashSet<User>,
}

/// What the app's stores sold to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePurchases {
    pub levels: Vec<LevelStatus>,
    /// `None`: it was never read.
    pub as_of: Option<Timestamp>,
    /// There was no answer; this is what was read before.
    pub stale: bool,
}

/// Whether an answer from before will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is read now.
    Now,
    /// An answer will do that is no older than it is good for.
    Recent,
    /// The same; but where something is open by what is known (`opens`, or the answer from before), one of the last day will
    /// do, and it is read in the background for whoever comes next.
    RecentOrOpen { opens: bool },
    /// One of the last day will do, for what is asked of many.
    OfTheLastDay,
}

impl StoreReader {
    /// A reader over `service`, whose answers are good for `good_for`.
    #[must_use]
    pub fn new(service: StoreService, store: Store, good_for: Duration, clock: Clock) -> Self {
        Self { service, store, good_for, clock, recent: Arc::default() }
    }

    /// What the app's stores sold to `user`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, user: &User, freshness: Freshness) -> Result<StorePurchases, StoreError> {
        let now = (self.clock)();
        let before = match self.store.store_purchases(user).await? {
            Some((levels, as_of)) => StorePurchases { levels, as_of: Some(as_of), stale: false },
            None => StorePurchases { levels: Vec::new(), as_of: None, stale: false },
        };
        if before.is_younger_than(self.longest_age(freshness), now) {
            return Ok(before);
        }
        if self.is_resting(freshness, now) {
            return Ok(StorePurchases { stale: true, ..before });
        }
        if before.will_do_for_now(freshness, now) {
            self.read_in_background(user);
            return Ok(before);
        }
        Ok(match self.ask(user).await? {
            Some(levels) => StorePurchases { levels, as_of: Some(now), stale: false },
            None => StorePurchases { stale: true, ..before },
        })
    }

    fn longest_age(&self, freshness: Freshness) -> Duration {
        match freshness {
            Freshness::Now => Duration::ZERO,
            Freshness::Recent | Freshness::RecentOrOpen { .. } => self.good_for,
            Freshness::OfTheLastDay => DAY,
        }
    }

    /// Whether nothing is asked, since there was no answer a moment ago and somebody waits.
    fn is_resting(&self, freshness: Freshness, now: Timestamp) -> bool {
        match freshness {
            Freshness::Recent | Freshness::RecentOrOpen { .. } => {
                self.recent().failed_at.is_some_and(|at| now - at < RESPITE)
            }
            Freshness::Now | Freshness::OfTheLastDay => false,
        }
    }

    /// Asks, and remembers the answer; `None` when there is none.
    async fn ask(&self, user: &User) -> Result<Option<Vec<LevelStatus>>, StoreError> {
        let now = (self.clock)();
        let answer = timeout(PATIENCE, self.service.read(user, now, self.good_for.max(SHORTEST_SPAN))).await;
        let why = match answer {
            Ok(Ok(levels)) => {
                self.recent().failed_at = None;
                self.store.keep_store_purchases(user.clone(), levels.clone()).await?;
                return Ok(Some(levels));
            }
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        tracing::warn!(error = %why, "what the app's stores sold could not be read; what was read before is shown");
        self.recent().failed_at = Some(now);
        Ok(None)
    }

    /// Reads for whoever comes next; of one user once at a time.
    fn read_in_background(&self, user: &User) {
        if !self.recent().reading.insert(user.clone()) {
            return;
        }
        let reader = self.clone();
        let user = user.clone();
        tokio::spawn(async move {
            let asked = reader.ask(&user).await;
            reader.recent().reading.remove(&user);
            if let Err(error) = asked {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what the app's stores sold could not be written down");
            }
        });
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorePurchases {
    fn is_younger_than(&self, age: Duration, now: Timestamp) -> bool {
        self.as_of.is_some_and(|as_of| (now - as_of).to_std().is_ok_and(|its| its < age))
    }

    /// Whether it will do until it is read in the background.
    fn will_do_for_now(&self, freshness: Freshness, now: Timestamp) -> bool {
        let Freshness::RecentOrOpen { opens } = freshness else { return false };
        let is_open = opens || self.levels.iter().any(|level| level.is_active(now, false));
        is_open && self.is_younger_than(DAY, now)
    }
}
