//! Gathers as much as can be asked: for `explain`, which tells what is known also while a vendor does not answer.

use entitlement::billing::Billing;
use entitlement::clock::Timestamp;
use entitlement::decide::Case;
use entitlement::failure::Failure;
use entitlement::ledger::Ledger;
use entitlement::names::{Account, Mode, User};
use entitlement::overrides::Overrides;
use entitlement::profile::Profile;
use entitlement::reading::{Identity, Resolved};
use entitlement::rules::Rules;
use store::error::StoreError;

use crate::controller::{App, Controller, SyncError};

/// What is known of one customer now.
#[derive(Debug)]
pub struct Examined {
    pub accounts: Vec<Learnt>,
    /// What is billed to all of them.
    pub billing: Result<Billing, Failure>,
    pub person: Person,
    /// An account was deleted at the source.
    pub deleted: bool,
    pub rules: Rules,
    pub now: Timestamp,
}

/// An account, and where it was learnt whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    pub account: Account,
    /// A source of `identity.user_id`, or `operator`; `None` while nobody knows.
    pub origin: Option<String>,
}

/// Who it is at the destination.
#[derive(Debug)]
pub enum Person {
    Known {
        user: User,
        profile: Result<Profile, Failure>,
        ledger: Ledger,
        overrides: Overrides,
    },
    /// Nobody is known, and why.
    Nobody(String),
}

impl Examined {
    /// The case that a look would decide now, when all of it could be read.
    #[must_use]
    pub fn case(&self) -> Option<Case> {
        let Person::Known { profile: Ok(profile), ledger, overrides, .. } = &self.person else { return None };
        let billing = self.billing.as_ref().ok()?.clone();
        let (profile, ledger, overrides) = (profile.clone(), ledger.clone(), overrides.clone());
        Some(Case { billing, profile, ledger, overrides, rules: self.rules.clone(), now: self.now })
    }

    /// Whose it is, if anybody knows.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match &self.person {
            Person::Known { user, .. } => Some(user),
            Person::Nobody(_) => None,
        }
    }
}

/// What an account says.
struct Read {
    account: Account,
    billing: Result<Billing, Failure>,
    identity: Result<Identity, String>,
    deleted: bool,
}

impl Controller {
    /// What is known behind `account`, and shown in `app`: a customer, the session of a guest, or anything that leads to one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn examine(&self, app: &App, account: &Account) -> Result<Examined, StoreError> {
        let read = match self.resolved(account).await {
            Ok(Resolved::Account(account)) => self.read_account(account).await?,
            Ok(Resolved::Nobody(why)) => {
                let billing = Ok(Billing::empty(self.mode.unwrap_or(Mode::Live)));
                Read { account: account.clone(), billing, identity: Err(why), deleted: false }
            }
            Err(failure) => self.remembered(account.clone(), failure).await?,
        };
        let Read { account, billing, identity, deleted } = read;
        match identity {
            Ok(Identity { user, origin }) => {
                let mut accounts = self.accounts_of_user(&user).await?;
                accounts.retain(|learnt| learnt.account != account);
                accounts.insert(0, Learnt { account: account.clone(), origin: Some(origin) });
                self.examined(app, user, accounts, billing, deleted).await
            }
            Err(why) => {
                let accounts = vec![Learnt { account, origin: None }];
                let rules = billing.as_ref().map_or_else(|_| app.rules.clone(), |billing| self.rules_for(app, billing));
                Ok(Examined { accounts, billing, person: Person::Nobody(why), deleted, rules, now: (self.clock)() })
            }
        }
    }

    /// What is known of `user` over all linked accounts, and shown in `app`; billed nothing when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn examine_customer(&self, app: &App, user: &User) -> Result<Examined, StoreError> {
        let accounts = self.accounts_of_user(user).await?;
        let (billing, deleted) = match accounts.first() {
            Some(first) => {
                let read = self.read_account(first.account.clone()).await?;
                (read.billing, read.deleted)
            }
            None => (Ok(Billing::empty(self.mode.unwrap_or(Mode::Live))), false),
        };
        self.examined(app, user.clone(), accounts, billing, deleted).await
    }

    async fn examined(
        &self,
        app: &App,
        user: User,
        accounts: Vec<Learnt>,
        billing: Result<Billing, Failure>,
        deleted: bool,
    ) -> Result<Examined, StoreError> {
        let billing = match (billing, accounts.first()) {
            (Ok(billing), Some(first)) => {
                let all = accounts.iter().map(|learnt| learnt.account.clone()).collect();
                asked(self.with_other_accounts(billing, &first.account, all).await)?
            }
            (billing, _) => billing,
        };
        let rules = match &billing {
            Ok(billing) => self.rules_for(app, billing),
            Err(_) => self.rules_for(app, &Billing::empty(Mode::Live)),
        };
        let ledger = self.store.ledger(&user, &rules.destination, rules.mode).await?;
        let profile = app.adapty.profile(&user).await;
        let overrides = self.store.overrides(&user, &rules.destination).await?;
        let person = Person::Known { user, profile, ledger, overrides };
        Ok(Examined { accounts, billing, person, deleted, rules, now: (self.clock)() })
    }

    async fn read_account(&self, account: Account) -> Result<Read, StoreError> {
        match asked(self.gather(&account).await)? {
            Ok(gathered) => {
                let unnamed = || gathered.contradiction.unwrap_or_else(|| self.sources.why_unnamed(&account));
                let identity = gathered.identity.ok_or_else(unnamed);
                Ok(Read { account, billing: Ok(gathered.billing), identity, deleted: gathered.deleted })
            }
            Err(failure) => self.remembered(account, failure).await,
        }
    }

    async fn resolved(&self, account: &Account) -> Result<Resolved, Failure> {
        match account.is_of_user() {
            true => Ok(Resolved::Account(account.clone())),
            false => self.sources.resolve(account).await,
        }
    }

    /// What our own memory knows of an account that cannot be read.
    async fn remembered(&self, account: Account, failure: Failure) -> Result<Read, StoreError> {
        let link = self.store.link_of(&account).await?;
        let identity = link.map(|link| Identity { user: link.user, origin: link.origin });
        let identity = identity.ok_or_else(|| "no app user was learnt so far".to_owned());
        Ok(Read { account, billing: Err(failure), identity, deleted: false })
    }

    async fn accounts_of_user(&self, user: &User) -> Result<Vec<Learnt>, StoreError> {
        let mut learnt = Vec::new();
        for account in self.store.accounts_of(user).await? {
            let origin = self.store.link_of(&account).await?.map(|link| link.origin);
            learnt.push(Learnt { account, origin });
        }
        Ok(learnt)
    }
}

/// Reading neither leases nor links: either a vendor failed, or the database.
fn asked<T>(answer: Result<T, SyncError>) -> Result<Result<T, Failure>, StoreError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(SyncError::Upstream(failure)) => Ok(Err(failure)),
        Err(SyncError::Store(error)) => Err(error),
        Err(SyncError::Busy | SyncError::LeaseLost) => Err(StoreError::Stopped),
    }
}
