//! Has drift repaired: the account becomes due, and is compared once more after its sync.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use entitlement::decide::decide;
use entitlement::model::account::Account;
use store::claim::Urgency;
use store::error::StoreError;
use tokio::time::sleep;

use crate::controller::Controller;
use crate::reconciliation::comparison::drifts;
use crate::reconciliation::report::Drift;

const ASK_EVERY: Duration = Duration::from_millis(200);
/// How often in a row nobody works anything off before nobody is expected to.
const WITHOUT_WORKERS: u32 = 50;

/// What a sync left of one account's drift.
#[derive(Default)]
struct Left {
    /// App and level.
    still: BTreeSet<(String, String)>,
    /// Apps that could not be read, and why.
    unread: BTreeMap<String, String>,
}

impl Controller {
    /// Makes accounts with drift due, waits for their syncs, and writes into `drifts` what became of each.
    pub(super) async fn repair(&self, drifts: &mut [Drift]) -> Result<(), StoreError> {
        let accounts: BTreeSet<Account> =
            drifts.iter().filter_map(|drift| Account::parse(&drift.account).ok()).collect();
        if accounts.is_empty() {
            return Ok(());
        }
        self.store.enqueue(accounts.iter().cloned().collect(), Urgency::Bulk).await?;
        let mut outcomes = BTreeMap::new();
        for account in accounts {
            let outcome = self.repaired(&account).await?;
            outcomes.insert(account.as_str().to_owned(), outcome);
        }
        for drift in drifts {
            drift.action = match outcomes.get(&drift.account) {
                Some(Ok(left)) => left.action(drift),
                Some(Err(why)) => format!("failed: {why}"),
                None => "failed: its account cannot be read".to_owned(),
            };
        }
        Ok(())
    }

    /// What is left of the account's drift after its sync, or why there was none.
    async fn repaired(&self, account: &Account) -> Result<Result<Left, String>, StoreError> {
        if let Err(why) = self.wait_for_sync(account).await? {
            return Ok(Err(why));
        }
        let collected = self.collect(account).await?;
        if let Err(failure) = &collected.billing {
            return Ok(Err(failure.to_string()));
        }
        let mut left = Left::default();
        for (app, known) in self.apps.iter().zip(&collected.apps) {
            match collected.case(known) {
                Ok(case) => {
                    let still = drifts(account, &case, &decide(&case)).into_iter();
                    left.still.extend(still.map(|drift| (drift.app, drift.level)));
                }
                Err(failure) => drop(left.unread.insert(app.name().to_owned(), failure.to_string())),
            }
        }
        Ok(Ok(left))
    }

    /// Waits until the account is not due any more.
    async fn wait_for_sync(&self, account: &Account) -> Result<Result<(), String>, StoreError> {
        let mut without_workers = 0;
        loop {
            let Some(state) = self.store.account_state(account).await? else { return Ok(Err("it is gone".into())) };
            // one of several apps may have failed, and the others been repaired
            if let Some(error) = state.last_error.filter(|_| !state.leased && self.apps.len() == 1) {
                return Ok(Err(error));
            }
            if !state.leased && state.due_at.is_none_or(|due| due > (self.clock)()) {
                return Ok(Ok(()));
            }
            // as long as anything is worked off, it will be synced
            let is_worked_on = state.leased || self.store.live_workers().await? > 0;
            without_workers = if is_worked_on { 0 } else { without_workers + 1 };
            if without_workers > WITHOUT_WORKERS {
                return Ok(Err("no worker is running; it is due, and is repaired when one is".into()));
            }
            sleep(ASK_EVERY).await;
        }
    }
}

impl Left {
    fn action(&self, drift: &Drift) -> String {
        if let Some(why) = self.unread.get(&drift.app) {
            return format!("failed: {why}");
        }
        let is_left = self.still.contains(&(drift.app.clone(), drift.level.clone()));
        if is_left { "failed: it is still there" } else { "repaired" }.to_owned()
    }
}
