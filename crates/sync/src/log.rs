//! What a sync logs: one line for one thing that happened, and the counters beside it.

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Failure;
use entitlement::model::plan::{Plan, PlannedStep};
use entitlement::model::reason::Reason;
use entitlement::model::step::{ReportSale, SaleEvent, Step};
use store::error::StoreError;
use store::record::{Attention, AttentionKind};

use crate::controller::PolicyMode;
use crate::outcome::{Gated, Outcome, SyncError};
use crate::target::Recipient;

pub(crate) fn synced(outcome: &Result<Outcome, SyncError>, began: Timestamp, ended: Timestamp) {
    let how = match outcome {
        Ok(outcome) if outcome.failure.is_some() => "failed",
        Ok(Outcome { gated: Some(Gated::Access { .. }), .. }) => "waits",
        Ok(_) => "done",
        Err(SyncError::Busy) => "yielded",
        Err(SyncError::LeaseLost) => "lease_lost",
        Err(SyncError::Upstream(failure)) if failure.waits_for_gate() => "waits",
        Err(SyncError::Upstream(_) | SyncError::Store(_)) => "failed",
    };
    metrics::counter!("grantsync_syncs_total", "outcome" => how).increment(1);
    metrics::histogram!("grantsync_sync_seconds").record(seconds(began, ended));
}

pub(crate) fn profile_read_saved() {
    metrics::counter!("grantsync_profile_reads_saved_total").increment(1);
}

pub(crate) fn decided(account: &Account, app: &str, plan: &Plan, policy_mode: PolicyMode) {
    planned(account, app, plan, policy_mode);
    for note in &plan.notes {
        if matches!(note.because, Reason::PaidTwice { .. }) {
            metrics::counter!("grantsync_double_subscriptions_total").increment(1);
            tracing::warn!(account.id = %account, app, level = %note.level, "{}", note.because);
        }
    }
    for alarm in &plan.expected.alarms {
        tracing::warn!(account.id = %account, "{alarm}");
    }
}

/// What of a decision is to be sent.
pub(crate) fn planned(account: &Account, app: &str, plan: &Plan, policy_mode: PolicyMode) {
    for planned in &plan.steps {
        let (kind, because) = (planned.step.kind(), planned.because.sentence());
        let what = what(&planned.step);
        match policy_mode {
            PolicyMode::Enforce => tracing::debug!(account.id = %account, app, %because, "planned: {what}"),
            PolicyMode::Observe => {
                metrics::counter!("grantsync_steps_total", "kind" => kind, "outcome" => "observed").increment(1);
                tracing::info!(account.id = %account, app, %because, "observing: would {what}");
            }
        }
    }
}

pub(crate) fn confirmed(to: Recipient<'_>, planned: &PlannedStep, now: Timestamp) {
    let because = planned.because.sentence();
    metrics::counter!("grantsync_steps_total", "kind" => planned.step.kind(), "outcome" => "confirmed").increment(1);
    if let Some(triggered_at) = to.claim.triggered_at {
        metrics::histogram!("grantsync_event_to_grant_seconds").record(seconds(triggered_at, now));
    }
    let (account, app, key) = (&to.claim.account, to.target.name(), &planned.key);
    match &planned.step {
        Step::GrantAccess(grant) => tracing::info!(
            account.id = %account, app, step.key = %key, transaction.id = %grant.sale.id, %because,
            "granted `{}` until {}", grant.level, grant.until
        ),
        Step::RevokeAccess(revoke) => {
            tracing::info!(account.id = %account, app, step.key = %key, %because, "revoked `{}`", revoke.level);
        }
        Step::ReportSale(report) => tracing::info!(
            account.id = %account, app, step.key = %key, transaction.id = %report.sale.id, %because,
            "reported a sale as {}", event(report)
        ),
        Step::SetAttributes(set) => tracing::info!(
            account.id = %account, app, step.key = %key, attributes.changed = set.attributes.len() + set.gone.len(),
            %because, "updated profile attributes"
        ),
    }
}

pub(crate) fn step_failed(to: Recipient<'_>, planned: &PlannedStep, failure: &Failure, due: Timestamp) {
    metrics::counter!("grantsync_steps_total", "kind" => planned.step.kind(), "outcome" => "failed").increment(1);
    tracing::warn!(
        account.id = %to.claim.account, app = to.target.name(), step.key = %planned.key,
        attempt = planned.attempts + 1, error = %failure,
        "failed to {}; trying again at {}", what(&planned.step), due.format("%Y-%m-%dT%H:%M:%SZ")
    );
}

pub(crate) fn step_refused(to: Recipient<'_>, planned: &PlannedStep, failure: &Failure) {
    metrics::counter!("grantsync_steps_total", "kind" => planned.step.kind(), "outcome" => "refused").increment(1);
    tracing::error!(
        account.id = %to.claim.account, app = to.target.name(), step.key = %planned.key, error = %failure,
        "refused to {}: parked", what(&planned.step)
    );
}

pub(crate) fn parked(account: &Account, attention: &Attention) {
    let Attention { kind, reason, hint, .. } = attention;
    // a refused step was logged when it was refused
    if *kind != AttentionKind::RefusedStep {
        tracing::warn!(account.id = %account, parked.kind = kind.as_str(), hint = %hint, "parked: {reason}");
    }
}

pub(crate) fn sync_failed(account: &Account, failure: &Failure, next: Timestamp) {
    let next = next.format("%Y-%m-%dT%H:%M:%SZ");
    tracing::warn!(account.id = %account, error = %failure, "a sync failed; trying again at {next}");
}

pub(crate) fn not_settled(account: &Account, error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(account.id = %account, error, "a sync could not be written; it is done again");
}

/// What a step does, as in "would …" and "failed to …".
fn what(step: &Step) -> String {
    match step {
        Step::GrantAccess(grant) => format!("grant `{}`", grant.level),
        Step::RevokeAccess(revoke) => format!("revoke `{}`", revoke.level),
        Step::ReportSale(report) => format!("report sale `{}` as {}", report.id(), event(report)),
        Step::SetAttributes(_) => "set attributes".to_owned(),
    }
}

fn event(report: &ReportSale) -> &'static str {
    match report.event {
        SaleEvent::Sold => "sold",
        SaleEvent::Changed => "changed",
        SaleEvent::Refunded(_) => "refunded",
        SaleEvent::Ended(_) => "ended",
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).to_std().map_or(0.0, |span| span.as_secs_f64())
}
