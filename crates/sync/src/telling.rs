//! What a look tells: one log line for one thing that happened, and the counters beside it.

use entitlement::clock::Timestamp;
use entitlement::failure::{Class, Failure};
use entitlement::names::Account;
use entitlement::plan::{Plan, Planned, Step};
use entitlement::reason::Reason;
use store::claim::Claim;
use store::error::StoreError;
use store::record::{Finding, Kind};

use crate::look::{Conduct, Outcome, Trouble};

pub(crate) fn looked(outcome: &Result<Outcome, Trouble>, began: Timestamp, ended: Timestamp) {
    let how = match outcome {
        Ok(outcome) if outcome.failure.is_some() => "failed",
        Ok(_) => "done",
        Err(Trouble::Busy) => "yielded",
        Err(Trouble::LeaseLost) => "lease_lost",
        Err(Trouble::Upstream(_) | Trouble::Store(_)) => "failed",
    };
    metrics::counter!("grantsync_looks_total", "outcome" => how).increment(1);
    metrics::histogram!("grantsync_look_seconds").record(seconds(began, ended));
}

pub(crate) fn recalled() {
    metrics::counter!("grantsync_profile_reads_saved_total").increment(1);
}

pub(crate) fn decided(account: &Account, app: &str, plan: &Plan, conduct: Conduct) {
    planned(account, app, plan, conduct);
    for note in &plan.notes {
        let twice = matches!(note.because, Reason::PaidTwice { .. });
        if twice {
            metrics::counter!("grantsync_double_subscriptions_total").increment(1);
        }
        if twice {
            tracing::warn!(account.id = %account, app, level = %note.level, "{}", note.because);
        }
    }
    for alarm in &plan.verdict.alarms {
        tracing::warn!(account.id = %account, "{alarm}");
    }
}

/// What of a decision is to be done.
pub(crate) fn planned(account: &Account, app: &str, plan: &Plan, conduct: Conduct) {
    for planned in &plan.steps {
        let (kind, level, because) = (planned.step.kind(), planned.step.subject(), planned.because.sentence());
        match conduct {
            Conduct::Enforce => {
                tracing::debug!(account.id = %account, app, %level, %because, "decided to {kind} `{level}`")
            }
            Conduct::Observe => {
                metrics::counter!("grantsync_steps_total", "kind" => kind, "outcome" => "observed").increment(1);
                tracing::info!(account.id = %account, app, %level, %because, "observing: would {kind} `{level}`");
            }
        }
    }
}

pub(crate) fn confirmed(claim: &Claim, app: &str, planned: &Planned, now: Timestamp) {
    let (level, because) = (planned.step.subject(), planned.because.sentence());
    metrics::counter!("grantsync_steps_total", "kind" => planned.step.kind(), "outcome" => "confirmed").increment(1);
    if let Some(rung_at) = claim.rung_at {
        metrics::histogram!("grantsync_event_to_grant_seconds").record(seconds(rung_at, now));
    }
    let (account, key) = (&claim.account, &planned.key);
    match &planned.step {
        Step::Grant(grant) => tracing::info!(
            account.id = %account, app, step.key = %key, transaction.id = %grant.transaction.id, %because,
            "granted `{level}` until {}", grant.until
        ),
        Step::Describe(_) => {
            tracing::info!(account.id = %account, app, step.key = %key, %because, "told what is to be known of the customer");
        }
        Step::Report(report) => tracing::info!(
            account.id = %account, app, step.key = %key, transaction.id = %report.grant.transaction.id, %because,
            "told the books of a transaction"
        ),
        Step::Revoke(_) => tracing::info!(account.id = %account, app, step.key = %key, %because, "revoked `{level}`"),
    }
}

pub(crate) fn step_failed(claim: &Claim, app: &str, planned: &Planned, failure: &Failure, due: Timestamp) {
    let (kind, level) = (planned.step.kind(), planned.step.subject());
    metrics::counter!("grantsync_steps_total", "kind" => kind, "outcome" => "failed").increment(1);
    tracing::warn!(
        account.id = %claim.account, app, step.key = %planned.key, attempt = planned.attempts + 1, error = %failure,
        "the {kind} of `{level}` failed; trying again at {}", due.format("%Y-%m-%dT%H:%M:%SZ")
    );
}

pub(crate) fn parked(account: &Account, finding: &Finding) {
    let (kind, reason, hint) = (finding.kind.as_str(), &finding.reason, &finding.hint);
    if finding.kind != Kind::RefusedStep {
        tracing::warn!(account.id = %account, parked.kind = kind, hint = %hint, "parked: {reason}");
    }
}

pub(crate) fn step_refused(claim: &Claim, app: &str, planned: &Planned, failure: &Failure) {
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
