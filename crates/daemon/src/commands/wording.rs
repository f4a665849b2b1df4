//! How rows of our books read in a sentence.

use entitlement::clock::Timestamp;
use entitlement::names::Account;
use entitlement::plan::{Refund, SaleEvent, Step, Until};
use serde_json::{Value, json};
use store::audit::AuditEntry;
use store::ledger::LedgerRow;
use store::worklist::AccountState;

use crate::moments::{absolute, both, relative};

/// The step of a line, as it was written down.
pub(crate) fn step_of(line: &LedgerRow) -> Option<Step> {
    serde_json::from_value(line.step.clone()).ok()
}

/// `grant`, `revoke`, `describe` or `report`.
pub(crate) fn kind_of(line: &LedgerRow) -> String {
    line.step.as_object().and_then(|step| step.keys().next()).cloned().unwrap_or_default()
}

/// ``grant `premium` until 2026-12-20 10:00:00Z``
pub(crate) fn step(line: &LedgerRow) -> String {
    let what = format!("{} `{}`", kind_of(line), line.subject);
    match step_of(line) {
        Some(Step::GrantAccess(grant)) => format!("{what} {}", lasting(grant.until)),
        Some(Step::RevokeAccess(revoke)) if revoke.refund == Refund::Yes => format!("{what} as a refund"),
        Some(Step::ReportSale(report)) => match report.word() {
            SaleEvent::Sold => what,
            SaleEvent::Refunded(_) => format!("{what} as a refund"),
            SaleEvent::Ended(_) => format!("{what} as ended"),
        },
        Some(Step::RevokeAccess(_) | Step::SetAttributes(_)) | None => what,
    }
}

/// ``block `premium` in `adapty` by anna: fraud``
pub(crate) fn order(of: &AuditEntry) -> String {
    let AuditEntry { app, kind, subject, promotion, by, why, .. } = of;
    let promotion = promotion.as_ref().map(|id| format!(" as `{id}`")).unwrap_or_default();
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{kind} `{subject}`{promotion} in `{app}` by {by}{why}")
}

/// `until 2026-12-20 10:00:00Z`, `for life`
pub(crate) fn lasting(until: Until) -> String {
    match until {
        Until::At(at) => format!("until {}", absolute(at)),
        Until::Lifetime => until.to_string(),
    }
}

/// As many characters of a key as a person reads; a few more than are needed to find it.
pub(crate) fn short(key: &str) -> String {
    key.chars().take(12).collect()
}

/// Where an account stands in the worklist, and what happens to it next.
pub(crate) fn standing(account: &Account, standing: Option<&AccountState>, now: Timestamp) -> Vec<String> {
    let Some(standing) = standing else {
        return vec![format!("`{account}` is not on the worklist: nothing rang for it, or it only led to another")];
    };
    let next = match standing.due_at {
        _ if standing.leased => "is being looked at just now".to_owned(),
        Some(due) if due <= now => format!("is due to be looked at since {}", both(due, now)),
        Some(due) => format!("is looked at again at {}", both(due, now)),
        None => "is at rest until something rings for it".to_owned(),
    };
    let last = standing.settled_at.map(|at| format!("; the last look ended {}", relative(at, now)));
    let mut lines = vec![format!("`{account}` {next}{}", last.unwrap_or_default())];
    lines.extend(standing.last_error.iter().map(|trouble| format!("the last look at `{account}` failed: {trouble}")));
    lines
}

/// The same as JSON.
pub(crate) fn standing_json(account: &Account, standing: Option<&AccountState>) -> Value {
    match standing {
        None => json!({ "account": account, "due_at": null }),
        Some(standing) => json!({
            "account": account,
            "due_at": standing.due_at,
            "leased": standing.leased,
            "generation": standing.generation,
            "settled_at": standing.settled_at,
            "trouble": standing.last_error,
        }),
    }
}
