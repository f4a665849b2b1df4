//! Backfill: makes every account due that a source bills.

use std::collections::BTreeMap;
use std::time::Duration;

use entitlement::decide::decide;
use entitlement::model::account::Account;
use entitlement::model::reading::Listing;
use store::task::Task;
use sync::backfill::Backfill;
use sync::collect::CollectError;
use sync::controller::Controller;

use crate::error::OperatorError;
use crate::operator::Operator;

/// How often, and how long apart, a backfill asks for the lease: that of a process that died ends in seconds.
const LEASE_TRIES: u32 = 20;
const LEASE_WAIT: Duration = Duration::from_secs(1);
/// How often it is asked how many accounts are left.
const ASK_EVERY: Duration = Duration::from_millis(500);

const UNDER_WAY: &str = "another backfill is under way; see `grantsync_due_accounts` in the metrics";

/// What a backfill would do.
#[derive(Clone, Debug, Default)]
pub struct DryBackfill {
    pub accounts: u64,
    /// Accounts of no known user, or that could not be read.
    pub unread: u64,
    /// How often each step would be taken, by its kind and subject.
    pub steps: BTreeMap<String, u64>,
}

/// What is left after a backfill was worked off.
#[derive(Clone, Debug)]
pub struct BackfillOutcome {
    /// Accounts whose sync failed; they are tried again.
    pub failing: i64,
    /// How many things are parked, by kind.
    pub parked: BTreeMap<String, i64>,
}

impl Operator {
    /// The backfill that was stopped before its end, which the next one continues.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unfinished_backfill(&self) -> Result<Option<Backfill>, OperatorError> {
        let last = self.controller()?.last_backfill().await?;
        Ok(last.filter(|last| last.finished_at.is_none()))
    }

    /// Makes everybody due, and answers when all are.
    ///
    /// # Errors
    /// When the source or the database does not answer, or another backfill is under way.
    pub async fn backfill(&self, mut progress: impl FnMut(&Backfill)) -> Result<Backfill, OperatorError> {
        let bulk = self.controller()?.with_rate_share(self.bulk_percent);
        for _ in 0..LEASE_TRIES {
            if let Some(ended) = self.task_leases.with(Task::Backfill, bulk.backfill(&mut progress)).await {
                return Ok(ended?);
            }
            tokio::time::sleep(LEASE_WAIT).await;
        }
        Err(OperatorError::Conflict(UNDER_WAY.into()))
    }

    /// Begins to make everybody due, and goes on in the background.
    ///
    /// # Errors
    /// When another backfill is under way.
    pub async fn start_backfill(&self) -> Result<(), OperatorError> {
        let bulk = self.controller()?.with_rate_share(self.bulk_percent);
        if !self.task_leases.take(Task::Backfill).await {
            return Err(OperatorError::Conflict(UNDER_WAY.into()));
        }
        let task_leases = self.task_leases.clone();
        tokio::spawn(async move {
            match task_leases.with(Task::Backfill, bulk.backfill(|_| {})).await {
                Some(Ok(backfill)) => {
                    tracing::info!(accounts = backfill.accounts, "all accounts of the backfill are due")
                }
                Some(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the backfill stopped; `grantsync resync --all` continues it");
                }
                None => {}
            }
        });
        Ok(())
    }

    /// Waits until nothing of a backfill is due. `progress` is called with how many are done, and of how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wait_for_backfill(&self, mut progress: impl FnMut(u64, u64)) -> Result<(), OperatorError> {
        let all = self.store.bulk_backlog().await?;
        loop {
            let left = self.store.bulk_backlog().await?;
            progress((all - left).max(0).unsigned_abs(), all.max(0).unsigned_abs());
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// What failed, and what is parked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn backfill_outcome(&self) -> Result<BackfillOutcome, OperatorError> {
        Ok(BackfillOutcome { failing: self.store.failing_accounts().await?, parked: self.store.parked_counts().await? })
    }

    /// What a backfill of subscriptions would do. Nothing is written. `found` is called with each step, and why.
    ///
    /// # Errors
    /// When the source does not list its accounts.
    pub async fn dry_backfill(&self, mut found: impl FnMut(&str)) -> Result<DryBackfill, OperatorError> {
        let controller = self.controller()?;
        let mut dry = DryBackfill::default();
        for source in controller.sources.iter() {
            let mut after = None;
            loop {
                let page = source.accounts(Listing::Subscriptions, after).await;
                let page = page.map_err(|source| OperatorError::Upstream { doing: "listing the accounts", source })?;
                for account in page.accounts {
                    dry.add(controller, &account, &mut found).await;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(dry)
    }
}

impl DryBackfill {
    async fn add(&mut self, controller: &Controller, account: &Account, found: &mut impl FnMut(&str)) {
        self.accounts += 1;
        let collected = controller.collect(account).await.map_err(CollectError::from);
        let Ok(cases) = collected.and_then(|collected| collected.cases()) else {
            self.unread += 1;
            return;
        };
        for planned in cases.iter().flat_map(|case| decide(case).steps) {
            let step = format!("{} `{}`", planned.step.kind(), planned.step.subject());
            found(&format!("{account}  would {step}: {}", planned.because));
            *self.steps.entry(step).or_default() += 1;
        }
    }
}
