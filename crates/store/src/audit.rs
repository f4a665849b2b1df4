//! The audit log: each override once, with who and why. Rows are only ever added; what counts now stands elsewhere.

use entitlement::model::attributes::AttributeName;
use entitlement::model::clock::Timestamp;
use entitlement::model::reason::Reason;
use entitlement::model::user::User;
use serde::Serialize;

use crate::connection::{Connection, Row};
use crate::error::StoreError;
use crate::ledger::LedgerRow;
use crate::listing::Listing;
use crate::open::Store;
use crate::override_request::{
    OverrideAction, OverrideOutcome, OverrideRequest, promotional_grant_id, promotional_grant_number,
};
use crate::statement::{Statement, sql};
use crate::value::{millis, timestamp};

/// A row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    pub id: i64,
    pub user: String,
    pub app: String,
    /// `grant`, `revoke`, `block`, `unblock`, `set_attributes` or `forget_attributes`.
    pub kind: String,
    /// The level, or the names of attributes.
    pub subject: String,
    /// The promotional grant that was made, as reasons and the ledger name it.
    pub promotion: Option<String>,
    pub by: String,
    pub why: String,
    pub at: Timestamp,
}

/// Which rows are listed; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user: Option<User>,
    /// Listed after the row of this number, newest first: those with a lower one.
    pub after: Option<i64>,
}

const SELECT: &str =
    "SELECT id, user_id, destination, kind, subject, grant_id, who, why, recorded_at FROM audit_log WHERE true";

impl Store {
    /// The newest rows of `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_entries(&self, filter: &Filter, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let query = Listing::of(SELECT)
            .only("user_id = ?", filter.user.as_ref().map(User::as_str))
            .only("id < ?", filter.after);
        self.list_audit_log(query.first(limit, "id DESC")).await
    }

    /// The override because of which a step was intended, where its reason names one; of attributes the last one before
    /// it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_entry_of(&self, row: &LedgerRow) -> Result<Option<AuditEntry>, StoreError> {
        let Some(is_of_kind) = condition_of_kind(&row.reason) else { return Ok(None) };
        let level = Some(row.subject.as_str()).filter(|_| row.reason != Reason::AttributesChanged);
        let query = Listing::of(SELECT)
            .only("user_id = ?", Some(&row.user))
            .only("destination = ?", Some(&row.destination))
            .only("subject = ?", level)
            .only("grant_id = ?", grant_of(&row.reason))
            .only("recorded_at <= ?", Some(millis(row.intended_at)))
            .only_if(true, is_of_kind);
        Ok(self.list_audit_log(query.first(1, "id DESC")).await?.pop())
    }

    async fn list_audit_log(&self, query: Statement<'_>) -> Result<Vec<AuditEntry>, StoreError> {
        let found = query.read(&self.reads).await;
        Ok(found.map_err(StoreError::on("listing the audit log"))?.iter().map(audit_entry).collect())
    }
}

/// Which overrides `reason` may speak of, as a condition.
fn condition_of_kind(reason: &Reason) -> Option<&'static str> {
    if matches!(reason, Reason::Promotion { .. }) {
        Some("kind = 'grant'")
    } else if matches!(reason, Reason::PromotionEnded { .. }) {
        Some("kind IN ('revoke', 'block')")
    } else if matches!(reason, Reason::Blocked) {
        Some("kind = 'block'")
    } else if matches!(reason, Reason::AttributesChanged) {
        Some("kind IN ('set_attributes', 'forget_attributes')")
    } else {
        None
    }
}

/// The number of the promotional grant that `reason` names.
fn grant_of(reason: &Reason) -> Option<i64> {
    let Reason::Promotion { promotion, .. } = reason else { return None };
    promotional_grant_number(promotion)
}

fn audit_entry(row: &Row) -> AuditEntry {
    AuditEntry {
        id: row.get("id"),
        user: row.get("user_id"),
        app: row.get("destination"),
        kind: row.get("kind"),
        subject: row.get("subject"),
        promotion: row.get::<Option<i64>>("grant_id").map(promotional_grant_id),
        by: row.get("who"),
        why: row.get("why"),
        at: timestamp(row.get("recorded_at")),
    }
}

/// Records an override that changed something.
pub(crate) async fn record(
    connection: &mut Connection,
    request: &OverrideRequest,
    outcome: OverrideOutcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (kind, subject) = kind_and_subject(&request.action);
    let grant = match outcome {
        OverrideOutcome::Granted(id) => Some(id),
        OverrideOutcome::Done(_) | OverrideOutcome::GrantedBefore { .. } | OverrideOutcome::OtherRequest(_) => None,
    };
    let query = sql("INSERT INTO audit_log (user_id, destination, kind, subject, grant_id, who, why, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query.bind(request.user.as_str()).bind(&request.destination).bind(kind).bind(&subject).bind(grant);
    let query = query.bind(&request.by).bind(&request.why).bind(millis(now));
    query.execute(connection).await.map(drop).map_err(StoreError::on("writing the audit log"))
}

/// Of attributes only the names: their values may be personal.
fn kind_and_subject(action: &OverrideAction) -> (&'static str, String) {
    match action {
        OverrideAction::Grant { level, .. } => ("grant", level.0.clone()),
        OverrideAction::EndGrants { level } => ("revoke", level.0.clone()),
        OverrideAction::Block { level } => ("block", level.0.clone()),
        OverrideAction::Unblock { level } => ("unblock", level.0.clone()),
        OverrideAction::SetAttributes { attributes } => {
            ("set_attributes", joined(attributes.iter().map(|(name, _)| name)))
        }
        OverrideAction::ForgetAttributes { names } => ("forget_attributes", joined(names.iter())),
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a AttributeName>) -> String {
    names.map(AttributeName::as_str).collect::<Vec<_>>().join(", ")
}
