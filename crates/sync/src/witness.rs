//! A witness: another service that sees what the app's stores sold. It is asked when somebody wants to know where a user
//! stands, never by a look: nothing is granted or taken on its word.

use std::time::Duration;

use entitlement::clock::{Clock, Timestamp};
use entitlement::names::Customer;
use entitlement::status::LevelStatus;
use iaphub::iaphub::Iaphub;
use store::error::StoreError;
use store::open::Store;
use tokio::time::timeout;

/// How long a user's page waits for the witness; after that it is told what was seen before.
const PATIENCE: Duration = Duration::from_secs(2);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who is asked, and how long an answer is good.
#[derive(Clone, Debug)]
pub struct Witness {
    pub iaphub: Iaphub,
    pub store: Store,
    pub good_for: Duration,
    pub clock: Clock,
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
    /// One that is no older than [`Witness::good_for`].
    IfOld,
    /// One of the last day, for what is asked of many.
    IfOlderThanADay,
}

impl Witness {
    /// What the witness shows of `customer`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn shows(&self, customer: &Customer, asking: Asking) -> Result<Seen, StoreError> {
        let now = (self.clock)();
        let before = self.store.witnessed(customer).await?;
        let good_for = match asking {
            Asking::Now => Duration::ZERO,
            Asking::IfOld => self.good_for,
            Asking::IfOlderThanADay => DAY,
        };
        let is_good = |as_of: Timestamp| (now - as_of).to_std().is_ok_and(|age| age < good_for);
        let (levels, as_of) = before.map_or((Vec::new(), None), |(levels, as_of)| (levels, Some(as_of)));
        if as_of.is_some_and(is_good) {
            return Ok(Seen { levels, as_of, stale: false });
        }
        match timeout(PATIENCE, self.iaphub.shown(customer, now)).await {
            Ok(Ok(levels)) => {
                self.store.keep_witnessed(customer.clone(), levels.clone()).await?;
                Ok(Seen { levels, as_of: Some(now), stale: false })
            }
            Ok(Err(failure)) => {
                tracing::warn!(error = %failure, "the witness was not asked; what it showed before is told");
                Ok(Seen { levels, as_of, stale: true })
            }
            Err(_) => {
                tracing::warn!("the witness does not answer in time; what it showed before is told");
                Ok(Seen { levels, as_of, stale: true })
            }
        }
    }
}
