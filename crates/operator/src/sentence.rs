//! How ledger entries, audit entries and the worklist read in a sentence.

use entitlement::model::clock::Timestamp;
use entitlement::model::expected::Refund;
use entitlement::model::step::{SaleEvent, Step};
use entitlement::model::until::Until;

use crate::audit::AuditEntry;
use crate::ledger::LedgerEntry;
use crate::time::{absolute, both, relative};
use crate::worklist::WorklistEntry;

/// ``grant `premium` until 2026-12-20 10:00:00Z``
#[must_use]
pub fn step(entry: &LedgerEntry) -> String {
    let what = format!("{} `{}`", step_kind(entry), entry.subject);
    match entry.parsed() {
        Some(Step::GrantAccess(grant)) => format!("{what} {}", until(grant.until)),
        Some(Step::RevokeAccess(revoke)) if revoke.refund == Refund::Yes => format!("{what} as a refund"),
        Some(Step::ReportSale(report)) => match report.event {
            SaleEvent::Sold | SaleEvent::Changed => what,
            SaleEvent::Refunded(_) => format!("{what} as a refund"),
            SaleEvent::Ended(_) => format!("{what} as ended"),
        },
        Some(Step::RevokeAccess(_) | Step::SetAttributes(_)) | None => what,
    }
}

/// The kind of the step, or its stored name where this version cannot read it.
#[must_use]
pub fn step_kind(entry: &LedgerEntry) -> String {
    if let Some(step) = entry.parsed() {
        return step.kind().to_owned();
    }
    entry.step.as_object().and_then(|step| step.keys().next()).cloned().unwrap_or_default()
}

/// ``block `premium` in `main` by anna: fraud``
#[must_use]
pub fn audit(entry: &AuditEntry) -> String {
    let AuditEntry { app, kind, subject, promotion, by, why, .. } = entry;
    let kind = kind.replace('_', " ");
    let promotion = promotion.as_ref().map(|id| format!(" as `{id}`")).unwrap_or_default();
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{kind} `{subject}`{promotion} in `{app}` by {by}{why}")
}

/// When the account is synced next, and how its last sync ended.
#[must_use]
pub fn worklist(entry: &WorklistEntry, now: Timestamp) -> Vec<String> {
    let account = &entry.account;
    if !entry.is_held() {
        return vec![format!(
            "`{account}` has no syncs of its own: grantsync never synced it, or synced the account that it belongs to; \
             `grantsync resync {account}` syncs it"
        )];
    }
    let next = match entry.due_at {
        _ if entry.leased => "is being synced".to_owned(),
        _ if let Some(upstream) = &entry.waits_for => format!("waits until `{upstream}` serves again"),
        Some(due) if due <= now => format!("is due since {}", both(due, now)),
        Some(due) => format!("is synced again at {}", both(due, now)),
        None => "is synced again with its next event".to_owned(),
    };
    let last = entry.settled_at.map(|at| format!("; last synced {}", relative(at, now))).unwrap_or_default();
    let mut lines = vec![format!("`{account}` {next}{last}")];
    lines.extend(entry.last_error.iter().map(|error| format!("the last sync of `{account}` failed: {error}")));
    lines
}

/// `until 2026-12-20 10:00:00Z`, `for life`
#[must_use]
pub fn until(until: Until) -> String {
    match until {
        Until::At(at) => format!("until {}", absolute(at)),
        Until::Lifetime => until.to_string(),
    }
}

/// As many characters of a key as a person reads; a few more than are needed to find it.
#[must_use]
pub fn short(key: &str) -> String {
    key.chars().take(12).collect()
}
