//! A backfill: every subscription there is at Stripe becomes due, however many there are.
//!
//! How far it is stands in the memory, so that one that was stopped goes on where it was.

use entitlement::clock::Timestamp;
use entitlement::failure::Failure;
use serde::{Deserialize, Serialize};
use store::claim::Urgency;
use store::error::StoreError;
use stripe::walk::Walk;

use crate::controller::Controller;

/// Where it is kept.
const NOTE: &str = "backfill";

/// How far a backfill is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    pub started_at: Timestamp,
    /// Every object was walked over.
    pub finished_at: Option<Timestamp>,
    /// Accounts made due so far; one with several objects on different pages counts again.
    pub accounts: u64,
    /// Walking over purchases, after all subscriptions.
    purchases: bool,
    after: Option<String>,
}

/// A backfill did not come to its end; called again it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("keeping how far the backfill is")]
    Note(#[from] serde_json::Error),
}

impl Controller {
    /// The last backfill, or the one under way.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_backfill(&self) -> Result<Option<Backfill>, StoreError> {
        Ok(self.store.daemon_state(NOTE).await?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Makes everybody due whom Stripe bills; tells how far it is after each page. One that was stopped goes on.
    ///
    /// # Errors
    /// When Stripe or the database does not answer.
    pub async fn backfill(&self, mut told: impl FnMut(&Backfill)) -> Result<Backfill, BackfillError> {
        let before = self.last_backfill().await?.filter(|last| last.finished_at.is_none());
        let begin =
            || Backfill { started_at: (self.clock)(), finished_at: None, accounts: 0, purchases: false, after: None };
        let mut backfill = before.unwrap_or_else(begin);
        while backfill.finished_at.is_none() {
            self.step(&mut backfill).await?;
            self.store.set_daemon_state(NOTE, serde_json::to_string(&backfill)?).await?;
            told(&backfill);
        }
        Ok(backfill)
    }

    /// One page.
    async fn step(&self, backfill: &mut Backfill) -> Result<(), BackfillError> {
        let walk = if backfill.purchases { Walk::Purchases } else { Walk::Subscriptions };
        let page = self.stripe.walk(walk, backfill.after.clone()).await?;
        backfill.accounts += page.accounts.len() as u64;
        if !page.accounts.is_empty() {
            // due before it is written how far we are: a page may come twice, never not at all
            self.store.enqueue(page.accounts, Urgency::Bulk).await?;
        }
        backfill.after = page.next;
        if backfill.after.is_none() {
            match walk {
                Walk::Subscriptions if self.sells_once() => backfill.purchases = true,
                Walk::Subscriptions | Walk::Purchases => backfill.finished_at = Some((self.clock)()),
            }
        }
        Ok(())
    }
}
