//! A witness: another service that sees what the app's stores sold. It is asked when somebody wants to know where a user
//! stands, never by a look: nothing is granted or taken on its word.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use entitlement::clock::{Clock, Timestamp};
use entitlement::names::User;
use entitlement::status::LevelStatus;
use iaphub::iaphub::Iaphub;
use store::error::StoreError;
use store::open::Store;
use tokio::time::timeout;

/// How long a user's page waits for the witness; after that it is told what was seen before.
const PATIENCE: Duration = Duration::from_secs(2);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a witness that did not answer is not waited for again.
const RESPITE: TimeDelta = TimeDelta::seconds(10);

/// What is active without an end is told for so long at least, since to be told takes time too.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Who is asked, and how long an answer is good. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct StoreReader {
    iaphub: Iaphub,
    store: Store,
    good_for: Duration,
    clock: Clock,
    lately: Arc<Mutex<Lately>>,
}

/// What was asked just now.
#[derive(Debug, Default)]
struct Lately {
    /// When it did not answer, if that was the last of it.
    failed: Option<Timestamp>,
    /// Of whom it is being asked behind an answer.
    under_way: HashSet<User>,
}

/// What the witness shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub levels: Vec<LevelStatus>,
    /// `None`: it was never seen.
    pub as_of: Option<Timestamp>,
    /// The witness did not answer; what it showed before is told.
    pub stale: bool,
}

/// Whether an answer from before will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    Now,
    /// One that is no older than it is good for.
    IfOld,
    /// The same; but where something is open by what is known (`opens`, or the answer from before), one of the last day is
    /// told at once, and it is asked behind that.
    Behind {
        opens: bool,
    },
    /// One of the last day, for what is asked of many.
    IfOlderThanADay,
}

impl StoreReader {
    #[must_use]
    pub fn new(iaphub: Iaphub, store: Store, good_for: Duration, clock: Clock) -> Self {
        Self { iaphub, store, good_for, clock, lately: Arc::default() }
    }

    /// What the witness shows of `user`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn shows(&self, user: &User, asking: Asking) -> Result<Seen, StoreError> {
        let now = (self.clock)();
        let before = self.store.store_purchases(user).await?;
        let good_for = match asking {
            Asking::Now => Duration::ZERO,
            Asking::IfOld | Asking::Behind { .. } => self.good_for,
            Asking::IfOlderThanADay => DAY,
        };
        let is_within = |span: Duration, as_of: Timestamp| (now - as_of).to_std().is_ok_and(|age| age < span);
        let (levels, as_of) = before.map_or((Vec::new(), None), |(levels, as_of)| (levels, Some(as_of)));
        if as_of.is_some_and(|as_of| is_within(good_for, as_of)) {
            return Ok(Seen { levels, as_of, stale: false });
        }
        if self.rests(asking, now) {
            return Ok(Seen { levels, as_of, stale: true });
        }
        let is_open = |opens: bool| opens || levels.iter().any(|level| level.is_active(now, false));
        let will_do = matches!(asking, Asking::Behind { opens } if is_open(opens));
        if will_do && as_of.is_some_and(|as_of| is_within(DAY, as_of)) {
            self.ask_behind(user);
            return Ok(Seen { levels, as_of, stale: false });
        }
        Ok(match self.ask(user).await? {
            Some(levels) => Seen { levels, as_of: Some(now), stale: false },
            None => Seen { levels, as_of, stale: true },
        })
    }

    /// Whether it is not asked, since it did not answer a moment ago and somebody waits.
    fn rests(&self, asking: Asking, now: Timestamp) -> bool {
        let waits = match asking {
            Asking::IfOld | Asking::Behind { .. } => true,
            Asking::Now | Asking::IfOlderThanADay => false,
        };
        waits && self.lately().failed.is_some_and(|at| now - at < RESPITE)
    }

    /// Asks, and keeps the answer; `None` when there is none.
    async fn ask(&self, user: &User) -> Result<Option<Vec<LevelStatus>>, StoreError> {
        let now = (self.clock)();
        let answer = timeout(PATIENCE, self.iaphub.shown(user, now, self.good_for.max(AT_LEAST))).await;
        let why = match answer {
            Ok(Ok(levels)) => {
                self.lately().failed = None;
                self.store.keep_store_purchases(user.clone(), levels.clone()).await?;
                return Ok(Some(levels));
            }
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        tracing::warn!(error = %why, "the witness was asked in vain; what it showed before is told");
        self.lately().failed = Some(now);
        Ok(None)
    }

    /// Asks for the next who want to know; of one user once at a time.
    fn ask_behind(&self, user: &User) {
        if !self.lately().under_way.insert(user.clone()) {
            return;
        }
        let (store_reader, user) = (self.clone(), user.clone());
        tokio::spawn(async move {
            let asked = store_reader.ask(&user).await;
            store_reader.lately().under_way.remove(&user);
            if let Err(error) = asked {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what the witness shows could not be kept");
            }
        });
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
