//! Gathers a case without carrying anything out: for `explain`.

use entitlement::billing::Billing;
use entitlement::decide::Case;
use entitlement::failure::Failure;
use entitlement::names::{Account, Customer};
use store::error::StoreError;

use crate::look::{Sync, Trouble};

/// What is known of one customer now, and how they are connected.
#[derive(Debug)]
pub struct Inspected {
    pub accounts: Vec<Account>,
    pub case: Case,
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
    /// The case of the customer behind `account`, as a look would see it now.
    ///
    /// # Errors
    /// When nobody is known behind it, or something cannot be read.
    pub async fn inspect(&self, account: &Account) -> Result<Inspected, InspectError> {
        let gathered = self.gather(account, None).await.map_err(told)?;
        let identity = gathered.identity.ok_or(InspectError::Nobody)?;
        let billing = self.with_other_accounts(gathered.billing, account, &identity.customer).await.map_err(told)?;
        let mut accounts = self.store.accounts_of(&identity.customer).await?;
        if !accounts.contains(account) {
            accounts.push(account.clone());
        }
        self.case_of(&identity.customer, accounts, billing).await
    }

    /// The case of `customer` over all linked accounts.
    ///
    /// # Errors
    /// When no account is linked, or something cannot be read.
    pub async fn inspect_customer(&self, customer: &Customer) -> Result<Inspected, InspectError> {
        let accounts = self.store.accounts_of(customer).await?;
        let account = accounts.first().ok_or(InspectError::Nobody)?;
        let gathered = self.gather(account, None).await.map_err(told)?;
        let billing = self.with_other_accounts(gathered.billing, account, customer).await.map_err(told)?;
        self.case_of(customer, accounts, billing).await
    }

    async fn case_of(
        &self,
        customer: &Customer,
        accounts: Vec<Account>,
        billing: Billing,
    ) -> Result<Inspected, InspectError> {
        let rules = self.rules_for(&billing);
        let early = self.shown_and_told(customer, rules.mode).await.map_err(told)?;
        let case = Case { billing, profile: early.profile, ledger: early.ledger, rules, now: (self.clock)() };
        Ok(Inspected { accounts, case })
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
