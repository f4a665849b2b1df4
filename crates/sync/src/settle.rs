//! The end of a sync: what it leaves is written, and its lease ends.

use chrono::Duration;
use entitlement::model::account::Account;
use entitlement::model::clock::{Timestamp, after};
use entitlement::model::failure::{Class, Failure};
use entitlement::model::key::StepKey;
use entitlement::model::user::User;
use entitlement::retry::{self, Next};
use entitlement::status::Status;
use store::claim::Claim;
use store::record::{Attention, Fenced, Progress, Settlement, StepResult, SyncEnding};

use crate::attention;
use crate::controller::Controller;
use crate::log;
use crate::outcome::{Gated, Outcome, SyncError};

/// How long a sync waits for another that holds the same user, in milliseconds.
const YIELD: i64 = 250;

/// The attempt from which on the wait between two syncs grows no longer.
const LONGEST_WAIT: u32 = 40;

impl Controller {
    /// Writes how a sync ended. Nothing is written when its lease ran out.
    pub(crate) async fn settle(&self, claim: &Claim, outcome: Result<Outcome, SyncError>) {
        let failed = outcome.is_err();
        let Some(settlement) = self.settlement(claim, outcome) else { return };
        match self.store.settle(settlement).await {
            Ok(Fenced::Written) => {}
            Ok(Fenced::LeaseLost) => {
                tracing::warn!(account.id = %claim.account, "the lease ran out before the sync was settled");
            }
            // one failure, one log: without a database neither the sync nor its end comes through
            Err(error) if failed => tracing::debug!(account.id = %claim.account, %error, "nor is its end written"),
            Err(error) => log::not_settled(&claim.account, &error),
        }
    }

    /// Logs what needs attention now and did not before: each thing once, however often it is found.
    pub(crate) async fn log_new_attention(&self, account: &Account, found: &[Attention]) {
        if found.is_empty() {
            return;
        }
        let known = self.store.parked_for(account).await.unwrap_or_default();
        for attention in found {
            let name = (attention.kind.as_str().to_owned(), attention.subject.clone());
            if !known.contains(&name) {
                log::parked(account, attention);
            }
        }
    }

    /// Writes results and statuses before the sync ends, under the same lease.
    pub(crate) async fn record_progress(
        &self,
        claim: &Claim,
        results: Vec<StepResult>,
        statuses: Vec<(User, Status)>,
    ) -> Result<(), SyncError> {
        if results.is_empty() && statuses.is_empty() {
            return Ok(());
        }
        let progress = Progress { account: claim.account.clone(), lease: claim.lease.clone(), results, statuses };
        match self.store.record_progress(progress).await? {
            Fenced::Written => Ok(()),
            Fenced::LeaseLost => Err(SyncError::LeaseLost),
        }
    }

    /// Writes what is known so far, before a destination is waited for that may be slow.
    pub(crate) async fn write_progress(&self, claim: &Claim, outcome: &mut Outcome) -> Result<(), SyncError> {
        // a status that could not be observed is written with the end of the sync, which says so
        let statuses = outcome.status.iter().filter(|_| outcome.unobserved.is_none()).cloned().collect();
        self.record_progress(claim, outcome.results.clone(), statuses).await?;
        outcome.results.clear();
        Ok(())
    }

    fn settlement(&self, claim: &Claim, outcome: Result<Outcome, SyncError>) -> Option<Settlement> {
        let mut settlement = Settlement {
            account: claim.account.clone(),
            lease: claim.lease.clone(),
            generation: claim.generation,
            results: Vec::new(),
            statuses: Vec::new(),
            waits_for: None,
            ending: SyncEnding::Discarded,
        };
        match outcome {
            Ok(mut outcome) => {
                settlement.results = std::mem::take(&mut outcome.results);
                settlement.statuses = std::mem::take(&mut outcome.former_statuses);
                settlement.statuses.extend(outcome.status.take());
                settlement.waits_for = outcome.gated.as_ref().map(|gated| gated.upstream().to_owned());
                settlement.ending = self.ending(claim, outcome);
            }
            Err(SyncError::Upstream(failure)) if failure.waits_for_gate() => {
                let error = failure.to_string();
                settlement.waits_for = failure.upstream;
                settlement.ending = SyncEnding::Waiting { due: None, attention: Vec::new(), error };
            }
            Err(error) => settlement.ending = self.ending_of_error(claim, error)?,
        }
        Some(settlement)
    }

    fn ending(&self, claim: &Claim, outcome: Outcome) -> SyncEnding {
        let Outcome { attention, due, unobserved, .. } = outcome;
        if outcome.leads_elsewhere {
            return SyncEnding::Discarded;
        }
        match outcome.failure {
            Some(failure) => self.failed(claim, &failure, due, attention),
            None if let Some(Gated::Access { error, .. }) = outcome.gated => {
                SyncEnding::Waiting { due, attention, error }
            }
            None if outcome.is_incomplete => SyncEnding::Incomplete { due, attention, error: unobserved },
            None => SyncEnding::Done { due, attention },
        }
    }

    /// `None` when the lease was lost: nothing may be written.
    fn ending_of_error(&self, claim: &Claim, error: SyncError) -> Option<SyncEnding> {
        let now = (self.clock)();
        Some(match error {
            SyncError::LeaseLost => return None,
            SyncError::Busy => SyncEnding::Yielded { due: after(now, Duration::milliseconds(YIELD)) },
            SyncError::Store(error) => {
                log::not_settled(&claim.account, &error);
                let due = after(now, Duration::seconds(1));
                SyncEnding::Failed { due, error: error.to_string(), attention: Vec::new() }
            }
            SyncError::Upstream(failure) => self.failed(claim, &failure, None, Vec::new()),
        })
    }

    /// `sooner`: when what did not fail wants to be synced again; `attention`: what it parks.
    fn failed(
        &self,
        claim: &Claim,
        failure: &Failure,
        sooner: Option<Timestamp>,
        attention: Vec<Attention>,
    ) -> SyncEnding {
        let (now, error) = ((self.clock)(), failure.to_string());
        let jitter = StepKey::stored(claim.account.as_str().to_owned());
        // early tries may make it fail more often than the schedule; only time makes a sync give up
        let attempts = claim.attempts.saturating_add(1).min(LONGEST_WAIT);
        match retry::after(failure, attempts, &jitter, now) {
            Next::At(next) if !claim.has_exhausted_retries(now) => {
                log::sync_failed(&claim.account, failure, next);
                SyncEnding::Failed { due: sooner.map_or(next, |at| at.min(next)), error, attention }
            }
            Next::WhenGateOpens => SyncEnding::Waiting { due: sooner, attention, error },
            Next::At(_) | Next::Never => {
                tracing::error!(account.id = %claim.account, error = %error, "a sync failed for good and is parked");
                SyncEnding::GivenUp(attention::sync_failed(&claim.account, error, failure.class == Class::Missing))
            }
        }
    }
}
