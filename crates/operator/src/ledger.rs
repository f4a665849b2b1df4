//! The ledger: every step, intended before it was sent, and what became of it.

use chrono::{DateTime, Utc};
use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::step::Step;
use entitlement::model::stored_step::StoredStep;
use entitlement::model::user::User;
use serde::{Deserialize, Serialize};
use store::ledger::{Filter, LedgerRow};
use utoipa::ToSchema;

use crate::audit::AuditEntry;
use crate::error::OperatorError;
use crate::operator::Operator;

/// Entries that are named when the beginning of a key fits several, and that follow an entry in its chain.
const MOST_NAMED: u32 = 5;

/// A step: written before it was sent, and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LedgerEntry {
    pub seq: i64,
    /// Identifies the step when it is repeated.
    pub key: String,
    /// The key of the last confirmed step on the same subject when it was intended.
    pub previous: Option<String>,
    pub destination: String,
    /// `live` or `test`.
    pub environment: String,
    pub account: String,
    pub user: String,
    /// The access level, or what else is changed.
    pub subject: String,
    /// What was to be sent.
    #[schema(value_type = Object)]
    pub step: serde_json::Value,
    pub because: String,
    /// `intended`, `confirmed`, `refused` or `dropped`.
    pub state: String,
    pub attempts: i64,
    pub intended_at: DateTime<Utc>,
    /// When it is sent next; null once it is settled.
    pub due_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    /// Why it failed or was refused.
    pub why: Option<String>,
}

/// A step, and the steps before and after it for the same user and level.
#[derive(Clone, Debug)]
pub struct LedgerEntryDetails {
    pub entry: LedgerEntry,
    /// The steps after it for the same user and level.
    pub next: Vec<LedgerEntry>,
    /// The override that it was intended for, where its reason names one; of attributes the last one before it.
    pub audit: Option<AuditEntry>,
}

/// The same as one document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LedgerEntryDocument {
    #[serde(flatten)]
    pub entry: LedgerEntry,
    /// The keys of the steps after it for the same user and level.
    pub next: Vec<String>,
    /// The override that it was intended for, where its reason names one; of attributes the last one before it.
    pub audit: Option<AuditEntry>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Intended,
    Confirmed,
    Refused,
    Dropped,
}

/// Which steps are meant; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    pub user: Option<User>,
    /// Those that a sync of this account intended.
    pub account: Option<Account>,
    pub state: Option<StepState>,
    /// Those intended then or later.
    pub since: Option<Timestamp>,
    /// Those listed behind this number.
    pub after: Option<i64>,
}

impl StepState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Intended, Self::Confirmed, Self::Refused, Self::Dropped];

    /// The name in the database, on the command line and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Intended => "Saved here; the destination has not answered yet",
            Self::Confirmed => "Accepted by the destination, or seen in its profile",
            Self::Refused => {
                "Refused by the destination, or given up after three days: parked, and not sent again by itself"
            }
            Self::Dropped => "Cancelled before it was confirmed; it may still have arrived",
        }
    }
}

impl LedgerEntry {
    /// The step, unless another version wrote it in a way that this one cannot read.
    #[must_use]
    pub fn parsed(&self) -> Option<Step> {
        let stored: StoredStep = serde_json::from_value(self.step.clone()).ok()?;
        Some(stored.into_steps().0)
    }
}

impl LedgerEntryDetails {
    /// As one document.
    #[must_use]
    pub fn document(&self) -> LedgerEntryDocument {
        let next = self.next.iter().map(|next| next.key.clone()).collect();
        LedgerEntryDocument { entry: self.entry.clone(), next, audit: self.audit.clone() }
    }
}

impl Operator {
    /// The newest `limit` steps that match `filter`, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger(&self, filter: LedgerFilter, limit: u32) -> Result<Vec<LedgerEntry>, OperatorError> {
        let LedgerFilter { user, account, state, since, after } = filter;
        let state = state.map(|state| state.as_str().to_owned());
        let rows = self.store.ledger_rows(&Filter { user, account, state, since, after }, limit).await?;
        Ok(rows.into_iter().map(LedgerEntry::from).collect())
    }

    /// The step whose key begins with `key`.
    ///
    /// # Errors
    /// When no key, or more than one, begins so.
    pub async fn ledger_entry(&self, key: &str) -> Result<LedgerEntryDetails, OperatorError> {
        let mut found = self.store.ledger_rows_with_prefix(key, MOST_NAMED).await?;
        let row = match found.len() {
            0 => {
                let text = format!("no step has a key that begins with `{key}`; see `grantsync ledger list`");
                return Err(OperatorError::NotFound(text));
            }
            1 => found.remove(0),
            _ => {
                let keys: Vec<String> = found.iter().map(|row| format!("`{}`", row.key)).collect();
                let text = format!("several keys begin with `{key}`, among them {}", keys.join(", "));
                return Err(OperatorError::Conflict(text));
            }
        };
        let next = self.store.ledger_rows_after(&row, MOST_NAMED).await?;
        let audit = self.store.audit_entry_of(&row).await?.map(AuditEntry::from);
        let next = next.into_iter().map(LedgerEntry::from).collect();
        Ok(LedgerEntryDetails { entry: row.into(), next, audit })
    }
}

impl From<LedgerRow> for LedgerEntry {
    fn from(row: LedgerRow) -> Self {
        Self {
            seq: row.seq,
            key: row.key,
            previous: row.previous,
            destination: row.destination,
            environment: row.environment,
            account: row.account,
            user: row.user,
            subject: row.subject,
            step: row.step,
            because: row.because,
            state: row.state,
            attempts: row.attempts,
            intended_at: row.intended_at,
            due_at: row.due_at,
            settled_at: row.settled_at,
            why: row.why,
        }
    }
}
