//! A reconciliation: compares all accounts, what is expected with what the destination shows.
//!
//! It reads, and never writes to a destination: an account with drift becomes due, and is repaired by a sync like any other.
//! An account that is being worked on while it passes is not called wrong; it is compared again at the end.

mod comparison;
mod double_subscriptions;
mod repair;
pub mod report;
mod tally;

use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::failure::Failure;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use store::claim::Urgency;
use store::error::StoreError;
use tokio::time::sleep;

use self::report::{Drift, Progress, Reconciliation};
use self::tally::Tally;
use crate::controller::Controller;
use crate::store_reader::StoreReader;

/// Accounts compared at once; the rate limits are what counts.
const CONCURRENCY: usize = 16;
/// Accounts fetched from the store at once.
const PAGE: u32 = 500;
/// How often an account that is being worked on is compared again, and how long it is left alone before.
const COMPARED_AGAIN: u32 = 10;
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// Whether drift is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Yes,
    No,
}

/// The reconciliation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Controller {
    /// Compares every account that is known, and every other one that a source bills. `progress` hears how far it is.
    ///
    /// # Errors
    /// When the database does not answer, or the lists of a source cannot be read.
    pub async fn reconcile(
        &self,
        repair: Repair,
        store_reader: Option<&StoreReader>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Reconciliation, ReconcileError> {
        let started_at = (self.clock)();
        let mut tally = Tally::default();
        self.compare_known(&mut tally, &mut progress).await?;
        self.compare_unknown(&mut tally, &mut progress).await?;
        self.compare_unsettled_again(&mut tally, &mut progress).await;
        let mut drifts = tally.take_drifts();
        if repair == Repair::Yes {
            self.repair_all(&mut drifts, &tally).await?;
        }
        if let Some(store_reader) = store_reader {
            // last, since nothing waits for it
            self.find_double_subscriptions(store_reader, &mut tally).await?;
        }
        Ok(tally.report(drifts, started_at, (self.clock)()))
    }

    async fn compare_known(
        &self,
        tally: &mut Tally,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ReconcileError> {
        let mut last = None;
        loop {
            let page = self.store.accounts_after(last.as_ref(), PAGE).await?;
            let Some(next) = page.last() else { return Ok(()) };
            last = Some(next.clone());
            self.compare_all(page, tally, progress).await;
        }
    }

    /// Accounts that a source bills and no event ever named.
    async fn compare_unknown(
        &self,
        tally: &mut Tally,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ReconcileError> {
        for (source, listing) in self.listings() {
            let mut after = None;
            loop {
                let page = source.accounts(listing, after).await?;
                let unknown = self.store.unknown_accounts(&page.accounts).await?;
                self.compare_all(unknown, tally, progress).await;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Gives accounts that were being worked on time to settle, and compares them then.
    async fn compare_unsettled_again(&self, tally: &mut Tally, progress: &mut impl FnMut(Progress)) {
        for _ in 0..COMPARED_AGAIN {
            let unsettled = tally.take_unsettled();
            if unsettled.is_empty() {
                return;
            }
            sleep(LEFT_ALONE).await;
            self.compare_all(unsettled, tally, progress).await;
        }
    }

    async fn compare_all(&self, accounts: Vec<Account>, tally: &mut Tally, progress: &mut impl FnMut(Progress)) {
        let mut left = accounts.into_iter().filter(|account| self.is_account(account));
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < CONCURRENCY {
                let Some(account) = left.next() else { break };
                running.push(async move { (self.compare(&account).await, account) });
            }
            let Some((compared, account)) = running.next().await else { return };
            tally.add(&account, compared);
            progress(tally.progress());
        }
    }

    /// Whether `object` is an account, and not something that the worklist holds because it leads to one.
    fn is_account(&self, object: &Account) -> bool {
        object.is_of_user() || self.sources.is_account(object)
    }

    async fn repair_all(&self, drifts: &mut [Drift], tally: &Tally) -> Result<(), StoreError> {
        self.repair(drifts).await?;
        // no trigger may have come for what was seen of them
        self.store.enqueue(tally.unsettled(), Urgency::Bulk).await
    }
}
