//! The audit log: every override that was made, by whom, and why.

use chrono::{DateTime, Utc};
use entitlement::model::user::User;
use serde::Serialize;
use store::audit::{self, Filter};
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::operator::Operator;

/// An override, as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditEntry {
    pub id: i64,
    pub user: String,
    pub app: String,
    /// `grant`, `revoke`, `block`, `unblock`, `set_attributes` or `forget_attributes`.
    pub kind: String,
    /// The level, or the names of the attributes; their values are not kept.
    pub subject: String,
    /// The promotional grant that was made, as it is called in the ledger.
    pub promotion: Option<String>,
    pub by: String,
    pub why: String,
    pub at: DateTime<Utc>,
}

impl Operator {
    /// The audit log of `user`, or of everybody: at most `limit` entries behind entry `after`, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_log(
        &self,
        user: Option<User>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, OperatorError> {
        let rows = self.store.audit_entries(&Filter { user, after }, limit).await?;
        Ok(rows.into_iter().map(AuditEntry::from).collect())
    }
}

impl From<audit::AuditEntry> for AuditEntry {
    fn from(row: audit::AuditEntry) -> Self {
        let audit::AuditEntry { id, user, app, kind, subject, promotion, by, why, at } = row;
        Self { id, user, app, kind, subject, promotion, by, why, at }
    }
}
