//! An account in the worklist: whether it is due, and how its last sync ended.

use chrono::{DateTime, Utc};
use entitlement::model::account::Account;
use serde::Serialize;
use store::worklist::AccountState;
use utoipa::ToSchema;

/// An account in the worklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorklistEntry {
    #[schema(value_type = String)]
    pub account: Account,
    /// When it is synced next; null: with its next trigger.
    pub due_at: Option<DateTime<Utc>>,
    /// It is being synced now.
    pub leased: bool,
    /// How often it was triggered; null when the worklist does not hold it.
    pub generation: Option<i64>,
    /// When its last sync ended.
    pub settled_at: Option<DateTime<Utc>>,
    /// Why its last sync failed.
    pub last_error: Option<String>,
    /// The upstream that does not serve, for which it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

impl WorklistEntry {
    /// `account`, which the worklist holds in `state`, if it does.
    #[must_use]
    pub fn new(account: Account, state: Option<AccountState>) -> Self {
        let Some(state) = state else {
            return Self {
                account,
                due_at: None,
                leased: false,
                generation: None,
                settled_at: None,
                last_error: None,
                waits_for: None,
            };
        };
        let AccountState { due_at, generation, settled_at, last_error, waits_for, leased, .. } = state;
        Self { account, due_at, leased, generation: Some(generation), settled_at, last_error, waits_for }
    }

    /// Whether the worklist holds the account.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.generation.is_some()
    }
}
