//! What a look tells: one log line for one thing that happened, and the counters beside it.

use entitlement::clock::Timestamp;
use entitlement::failure::{Class, Failure};
use entitlement::names::Account;
use entitlement::plan::{Plan, PlannedStep, Step};
use entitlement::reason::Reason;
use store::claim::Claim;
use store::error::StoreError;
use store::record::{Attention, AttentionKind};

use crate::controller::{Outcome, PolicyMode, SyncError};

pub(crate) fn looked(outcome: &Result<Outcome, SyncError>, began: Timestamp, ended: Timestamp) {
    let how = match outcome {
        Ok(outcome) if outcome.failure.is_some() => "failed",
        Ok(_) => "done",
        Err(SyncError::Busy) => "yielded",
        Err(SyncError::LeaseLost) => "lease_lost",
        Err(SyncError::Upstream(_) | SyncError::Store(_)) => "failed",
    };
    metrics::counter!("grantsync_syncs_total", "outcome" => how).increment(1);
    metrics::histogram!("grantsync_sync_seconds").record(seconds(began, ended));
}

pub(crate) fn recalled() {
    metrics::counter!("grantsync_profile_reads_saved_total").increment(1);
}

pub(crate) fn decided(account: &Account, app: &str, plan: &Plan, policy_mode: PolicyMode) {
    planned(account, app, plan, policy_mode);
    for note in &plan.notes {
        let twice = matches!(note.because, Reason::PaidTwice { .. });
        if twice {
            metrics::counter!("grantsync_double_subscriptions_total").increment(1);
        }
        if twice {
            tracing::warn!(account.id = %account, app, level = %note.level, "{}", note.because);
        }
    }
    for alarm in &plan.expected.alarms {
        tracing::warn!(account.id = %account, "{alarm}");
    }
}

/// What of a decision is to be done.
pub(crate) fn planned(account: &Account, app: &str, plan: &Plan, policy_mode: PolicyMode) {
    for planned in &plan.steps {
        let (kind, level, because) = (planned.step.kind(), planned.step.subject(), planned.because.sentence());
        match policy_mode {
            PolicyMode::Enforce => {
                tracing::debug!(account.id = %account, app, %level, %because, "decided to {kind} `{level}`")
            }
            PolicyMode::Observe => {
                metrics::counter!("grantsync_steps_total", "kind" => kind, "outcome" => "observed").increment(1);
                tracing::info!(account.id = %account, app, %level, %because, "observing: would {kind} `{level}`");
            }
        }
    }
}

pub(crate) fn confirmed(claim: &Claim, app: &str, planned: &PlannedStep, now: Timestamp) {
    let (level, because) = (planned.step.subject(), planned.because.sentence());
    metrics::counter!("grantsync_steps_total", "kind" => planned.step.kind(), "outcome" => "confirmed").increment(1);
    if let Some(triggered_at) = claim.triggered_at {
        metrics::histogram!("grantsync_event_to_grant_seconds").record(seconds(triggered_at, now));
    }
    let (account, key) = (&claim.account, &planned.key);
    match &planned.step {
        Step::GrantAccess(grant) => tracing::info!(
            account.id = %account, app, step.key = %key, sale.id = %grant.sale.id, %because,
            "granted `{level}` until {}", grant.until
        ),
        Step::SetAttributes(_) => {
            tracing::info!(account.id = %account, app, step.key = %key, %because, "told what is to be known of the customer");
        }
        Step::ReportSale(report) => tracing::info!(
            account.id = %account, app, step.key = %key, sale.id = %report.grant.sale.id, %because,
            "told the books of a transaction"
        ),
        Step::RevokeAccess(_) => {
            tracing::info!(account.id = %account, app, step.key = %key, %because, "revoked `{level}`")
        }
    }
}

pub(crate) fn step_failed(claim: &Claim, app: &str, planned: &PlannedStep, failure: &Failure, due: Timestamp) {
    let (kind, level) = (planned.step.kind(), planned.step.subject());
    metrics::counter!("grantsync_steps_total", "kind" => kind, "outcome" => "failed").increment(1);
    tracing::warn!(
        account.id = %claim.account, app, step.key = %planned.key, attempt = planned.attempts + 1, error = %failure,
        "the {kind} of `{level}` failed; trying again at {}", due.format("%Y-%m-%dT%H:%M:%SZ")
    );
}

pub(crate) fn parked(account: &Account, finding: &Attention) {
    let (kind, reason, hint) = (finding.kind.as_str(), &finding.reason, &finding.hint);
    if finding.kind != AttentionKind::RefusedStep {
        tracing::warn!(account.id = %account, parked.kind = kind, hint = %hint, "parked: {reason}");
    }
}

pub(crate) fn step_refused(claim: &Claim, app: &str, planned: &PlannedStep, failure: &Failure) {
    let (kind, level) = (planned.step.kind(), planned.step.subject());
    metrics::counter!("grantsync_steps_total", "kind" => kind, "outcome" => "refused").increment(1);
    tracing::error!(
        account.id = %claim.account, app, step.key = %planned.key, error = %failure,
        "the {kind} of `{level}` was refused and is parked"
    );
}

pub(crate) fn look_failed(account: &Account, failure: &Failure, next: Timestamp) {
    let next = next.format("%Y-%m-%dT%H:%M:%SZ");
    if failure.class == Class::Credentials {
        // a refused key concerns every account; it was told once when it was first refused
        return tracing::debug!(account.id = %account, error = %failure, "a look waits for the key; again at {next}");
    }
    tracing::warn!(account.id = %account, error = %failure, "a look failed; trying again at {next}");
}

pub(crate) fn unsettled(account: &Account, error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(account.id = %account, error, "a look could not be written; it is done again");
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).to_std().map_or(0.0, |span| span.as_secs_f64())
}
