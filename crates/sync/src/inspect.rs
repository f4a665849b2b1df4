//! Gathers a case without carrying anything out: for `explain`.

use entitlement::billing::Billing;
use entitlement::decide::{Case, decide};
use entitlement::failure::Failure;
use entitlement::names::{Account, Customer};
use entitlement::status::Status;
use futures_util::future::join_all;
use store::error::StoreError;

use crate::gather::Pictures;
use crate::look::{App, Sync, Trouble};

/// What is known of one customer now, and how they are connected.
#[derive(Debug)]
pub struct Inspected {
    pub accounts: Vec<Account>,
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

impl Sync {
    /// Where the customer of `cases`, one for each app, stands once they are carried out, or if they are not.
    #[must_use]
    pub fn status_of(&self, cases: &[Case]) -> Status {
        let carried = self.conduct.carried();
        let of_app = |(app, case): (&App, &Case)| self.named(app, Status::of(case, &decide(case), carried));
        self.apps.iter().zip(cases).map(of_app).reduce(Status::and).unwrap_or_default()
    }

    /// The case of the customer behind `account`, as a look would see it now.
    ///
    /// # Errors
    /// When nobody is known behind it, or something cannot be read.
    pub async fn inspect(&self, account: &Account) -> Result<Inspected, InspectError> {
        let gathered = self.gather(account).await.map_err(told)?;
        let identity = gathered.identity.ok_or(InspectError::Nobody)?;
        let billing = self.with_other_accounts(gathered.billing, account, &identity.customer).await.map_err(told)?;
        let mut accounts = self.store.accounts_of(&identity.customer).await?;
        if !accounts.contains(account) {
            accounts.push(account.clone());
        }
        Ok(self.cases_of(&identity.customer, accounts, billing).await)
    }

    /// The case of `customer` over all linked accounts.
    ///
    /// # Errors
    /// When no account is linked, or something cannot be read.
    pub async fn inspect_customer(&self, customer: &Customer) -> Result<Inspected, InspectError> {
        let accounts = self.store.accounts_of(customer).await?;
        let account = accounts.first().ok_or(InspectError::Nobody)?;
        let gathered = self.gather(account).await.map_err(told)?;
        let billing = self.with_other_accounts(gathered.billing, account, customer).await.map_err(told)?;
        Ok(self.cases_of(customer, accounts, billing).await)
    }

    async fn cases_of(&self, customer: &Customer, accounts: Vec<Account>, billing: Billing) -> Inspected {
        let cases = self.apps.iter().map(|app| self.case_of(app, customer, &billing));
        Inspected { accounts, cases: join_all(cases).await }
    }

    async fn case_of(&self, app: &App, customer: &Customer, billing: &Billing) -> Result<Case, InspectError> {
        let rules = self.rules_for(app, billing);
        let pictures = self.shown_and_told(app, customer, rules.mode).await.map_err(told)?;
        let Pictures { profile, ledger, orders } = pictures;
        Ok(Case { billing: billing.clone(), profile, ledger, orders, rules, now: (self.clock)() })
    }
}

/// Gathering neither leases nor links, so only reading can fail.
fn told(trouble: Trouble) -> InspectError {
    match trouble {
        Trouble::Upstream(failure) => failure.into(),
        Trouble::Store(error) => error.into(),
        Trouble::Busy | Trouble::LeaseLost => StoreError::Stopped.into(),
    }
}
