//! What is parked: it waits for a human.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entitlement::model::account::Account;
use entitlement::model::user::User;
use serde::Serialize;
use store::parked::{Filter, Parked as Row};
use store::selection::Selection;
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::operator::Operator;
use crate::worklist::WorklistEntry;

/// Something that waits for a human.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Parked {
    pub id: i64,
    /// For example `unknown_customer`.
    pub kind: String,
    pub account: String,
    pub user: Option<String>,
    /// What it is about within the account: a price, the key of a step.
    pub subject: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
    pub since: DateTime<Utc>,
    /// Why an operator dropped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
}

/// A parked thing, and its account in the worklist.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ParkedDetails {
    #[serde(flatten)]
    pub parked: Parked,
    /// Null where an event that cannot be read is parked under its own name.
    pub worklist: Option<WorklistEntry>,
}

impl Operator {
    /// The first `limit` parked things that match `filter`, the oldest first; without a limit all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked(&self, filter: &Filter, limit: Option<u32>) -> Result<Vec<Parked>, OperatorError> {
        let rows = match limit {
            Some(limit) => self.store.first_parked_matching(filter, limit).await?,
            None => self.store.parked_matching(filter).await?,
        };
        Ok(rows.into_iter().map(Parked::from).collect())
    }

    /// How many accounts wait for each upstream that does not serve; they need nobody.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting(&self) -> Result<BTreeMap<String, i64>, OperatorError> {
        Ok(self.store.waiting().await?)
    }

    /// One parked thing, dropped or not.
    ///
    /// # Errors
    /// When there is none of that number.
    pub async fn parked_details(&self, id: i64) -> Result<ParkedDetails, OperatorError> {
        let unknown = || OperatorError::NotFound(format!("nothing is parked as {id}; see `grantsync parked list`"));
        let parked = Parked::from(self.store.parked_by_id(id).await?.ok_or_else(unknown)?);
        let worklist = match Account::parse(&parked.account) {
            Ok(account) => Some(self.worklist_entry(account).await?).filter(WorklistEntry::is_held),
            Err(_) => None,
        };
        Ok(ParkedDetails { parked, worklist })
    }

    /// Syncs the accounts again; refused steps are sent again. Answers how many were released.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release(&self, chosen: Selection) -> Result<u64, OperatorError> {
        Ok(self.store.release(chosen).await?)
    }

    /// Takes parked things off the list for good. Answers how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_parked(&self, chosen: Selection, reason: String) -> Result<u64, OperatorError> {
        Ok(self.store.drop_parked(chosen, reason).await?)
    }

    /// `account` in the worklist.
    pub(crate) async fn worklist_entry(&self, account: Account) -> Result<WorklistEntry, OperatorError> {
        let state = self.store.account_state(&account).await?;
        Ok(WorklistEntry::new(account, state))
    }

    /// What is parked for any of `accounts`, or for `user`.
    pub(crate) async fn parked_for(
        &self,
        accounts: Vec<Account>,
        user: Option<User>,
    ) -> Result<Vec<Parked>, OperatorError> {
        let mut all = Vec::new();
        if !accounts.is_empty() {
            all = self.parked(&Filter { accounts, ..Filter::default() }, None).await?;
        }
        if user.is_some() {
            let of_user = self.parked(&Filter { user, ..Filter::default() }, None).await?;
            let known: Vec<i64> = all.iter().map(|parked| parked.id).collect();
            all.extend(of_user.into_iter().filter(|parked| !known.contains(&parked.id)));
        }
        Ok(all)
    }
}

impl From<Row> for Parked {
    fn from(row: Row) -> Self {
        let Row { id, kind, account, user, subject, reason, hint, since, dropped } = row;
        Self { id, kind, account, user, subject, reason, hint, since, dropped }
    }
}
