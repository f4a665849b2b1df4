//! Resync: makes accounts due, as an event would, and waits for them where that is asked for.

use std::time::Duration;

use entitlement::decide::decide;
use entitlement::model::account::Account;
use entitlement::model::user::User;
use entitlement::render::render;
use serde::Serialize;
use source::kind::typed;
use store::claim::Urgency;
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::operator::Operator;

/// How long one account is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Which accounts are meant.
#[derive(Clone, Debug)]
pub enum Selection {
    Account(Account),
    /// All accounts of this user.
    User(User),
    /// The account of this subscription, with or without its source.
    Subscription(String),
}

/// What would be done for one account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountPlan {
    pub account: String,
    /// As `grantsync explain` renders it.
    pub plan: String,
}

impl Operator {
    /// The accounts that are meant, at least one.
    ///
    /// # Errors
    /// When no account is linked to the user.
    pub async fn select(&self, selection: Selection) -> Result<Vec<Account>, OperatorError> {
        match selection {
            Selection::Account(account) => Ok(vec![account]),
            // a sync follows whatever leads to an account
            Selection::Subscription(id) => Ok(vec![typed(&id)]),
            Selection::User(user) => {
                let accounts = self.store.accounts_of(&user).await?;
                if accounts.is_empty() {
                    let text = "no account is linked to that user; see `grantsync parked list`";
                    return Err(OperatorError::NotFound(text.into()));
                }
                Ok(accounts)
            }
        }
    }

    /// All accounts of `user`, that of their overrides included; perhaps none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts_of(&self, user: &User) -> Result<Vec<Account>, OperatorError> {
        Ok(self.store.accounts_of(user).await?)
    }

    /// Makes `accounts` due at once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn resync(&self, accounts: Vec<Account>) -> Result<(), OperatorError> {
        Ok(self.store.enqueue(accounts, Urgency::Requested).await?)
    }

    /// What a sync of `account` would do now, of each app. Nothing is written.
    ///
    /// # Errors
    /// When no user is known for it, or something cannot be read.
    pub async fn plans(&self, account: &Account) -> Result<Vec<AccountPlan>, OperatorError> {
        let cases = self.controller()?.collect(account).await?.cases()?;
        let account = account.as_str().to_owned();
        let plan = |case| AccountPlan { account: account.clone(), plan: render(case, &decide(case)) };
        Ok(cases.iter().map(plan).collect())
    }

    /// Waits until `account` is settled: until every trigger up to now was answered by a sync.
    ///
    /// # Errors
    /// When the sync failed, or did not end within a minute.
    pub async fn wait_for_sync(&self, account: &Account) -> Result<(), OperatorError> {
        let ended = tokio::time::timeout(PATIENCE, self.until_settled(account)).await;
        ended.unwrap_or_else(|_| {
            Err(OperatorError::Conflict(format!("`{account}` is still due after a minute; see the daemon's log")))
        })
    }

    async fn until_settled(&self, account: &Account) -> Result<(), OperatorError> {
        loop {
            let Some(state) = self.store.account_state(account).await? else {
                // it only led to an account, which is due now
                return Ok(());
            };
            if !state.leased && state.due_at.is_none_or(|due| due > self.now()) {
                return match state.last_error {
                    Some(error) => Err(OperatorError::Conflict(format!("the sync of `{account}` failed: {error}"))),
                    None => Ok(()),
                };
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
