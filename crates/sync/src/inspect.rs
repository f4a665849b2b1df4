//! Gathers a case without carrying anything out: for `explain`.

use entitlement::billing::Billing;
use entitlement::decide::{Case, decide};
use entitlement::failure::Failure;
use entitlement::names::{Account, User};
use entitlement::status::Status;
use futures_util::future::join_all;
use store::error::StoreError;

use crate::controller::{App, Controller, SyncError};
use crate::read::Pictures;

/// What is known of one customer now, and how they are connected.
#[derive(Debug)]
pub struct Inspected {
    pub accounts: Vec<Account>,
    /// What is billed to all of them.
    pub billing: Billing,
    /// One for each app.
    pub cases: Vec<Result<Case, InspectError>>,
}

impl Inspected {
    /// The cases of all apps.
    ///
    /// # Errors
    /// The first that could not be gathered.
    pub fn whole(self) -> Result<Vec<Case>, InspectError> {
        self.cases.into_iter().collect()
    }
}

/// Why a customer could not be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("no app user is known for the account; see `grantsync parked list`")]
    Nobody,
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Controller {
    /// Where `user` stands once what was `inspected` is carried out, or if it is not; and whether an app could not be
    /// read, of which then counts what is owed, and what was seen there before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status_of(&self, user: &User, inspected: Inspected) -> Result<(Status, bool), InspectError> {
        let Inspected { billing, cases, .. } = inspected;
        let (mut all, mut is_whole) = (Status::default(), true);
        for (app, case) in self.apps.iter().zip(cases) {
            let status = match case {
                Ok(case) => self.named(app, Status::of(&case, &decide(&case), self.policy_mode.carried())),
                Err(InspectError::Upstream(failure)) => {
                    tracing::warn!(app = app.name(), error = %failure, "an app could not be read");
                    is_whole = false;
                    self.unread(app, user, &billing).await?
                }
                Err(error @ (InspectError::Nobody | InspectError::Store(_))) => return Err(error),
            };
            all = all.and(status);
        }
        Ok((all, is_whole))
    }

    /// The case of the customer behind `account`, as a look would see it now.
    ///
    /// # Errors
    /// When nobody is known behind it, or something cannot be read.
    pub async fn inspect(&self, account: &Account) -> Result<Inspected, InspectError> {
        let gathered = self.gather(account).await.map_err(told)?;
        let identity = gathered.identity.ok_or(InspectError::Nobody)?;
        let mut accounts = self.store.accounts_of(&identity.user).await?;
        let billing = self.with_other_accounts(gathered.billing, account, accounts.clone()).await.map_err(told)?;
        if !accounts.contains(account) {
            accounts.push(account.clone());
        }
        Ok(self.cases_of(&identity.user, accounts, billing).await)
    }

    /// The case of `user` over all linked accounts.
    ///
    /// # Errors
    /// When no account is linked, or something cannot be read.
    pub async fn inspect_customer(&self, user: &User) -> Result<Inspected, InspectError> {
        let accounts = self.store.accounts_of(user).await?;
        let account = accounts.first().ok_or(InspectError::Nobody)?;
        let gathered = self.gather(account).await.map_err(told)?;
        let billing = self.with_other_accounts(gathered.billing, account, accounts.clone()).await.map_err(told)?;
        Ok(self.cases_of(user, accounts, billing).await)
    }

    async fn cases_of(&self, user: &User, accounts: Vec<Account>, billing: Billing) -> Inspected {
        let cases = self.apps.iter().map(|app| self.case_of(app, user, &billing));
        let cases = join_all(cases).await;
        Inspected { accounts, billing, cases }
    }

    async fn case_of(&self, app: &App, user: &User, billing: &Billing) -> Result<Case, InspectError> {
        let rules = self.rules_for(app, billing);
        let pictures = self.shown_and_told(app, user, rules.mode).await.map_err(told)?;
        let Pictures { profile, ledger, overrides, .. } = pictures;
        Ok(Case { billing: billing.clone(), profile, ledger, overrides, rules, now: (self.clock)() })
    }
}

/// Gathering neither leases nor links, so only reading can fail.
fn told(trouble: SyncError) -> InspectError {
    match trouble {
        SyncError::Upstream(failure) => failure.into(),
        SyncError::Store(error) => error.into(),
        SyncError::Busy | SyncError::LeaseLost => StoreError::Stopped.into(),
    }
}
