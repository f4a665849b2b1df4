//! Everything that is known of one user, each part with its own result: what `explain`, `status` and reconciliation show.
//!
//! Nothing is written, leased or linked. A vendor that does not answer fails its own part alone.

use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::account::Account;
use entitlement::model::billing::Billing;
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Failure;
use entitlement::model::ledger::Ledger;
use entitlement::model::mode::Mode;
use entitlement::model::overrides::Overrides;
use entitlement::model::profile::Profile;
use entitlement::model::reading::{Identity, Resolved};
use entitlement::model::rules::Rules;
use entitlement::model::user::User;
use entitlement::status::Status;
use futures_util::future::try_join_all;
use store::error::StoreError;

use crate::controller::Controller;
use crate::outcome::SyncError;
use crate::read::Patience;
use crate::target::Target;

/// What is known of one user now.
#[derive(Debug)]
pub struct Collected {
    /// All accounts of the user; the one that was asked for first.
    pub accounts: Vec<LinkedAccount>,
    /// Whose they are, or why nobody knows.
    pub user: Result<User, String>,
    /// What is billed to all of them.
    pub billing: Result<Billing, Failure>,
    /// The account was deleted at its source.
    pub deleted: bool,
    /// Each app, in the order of the settings; none while no user is known.
    pub apps: Vec<CollectedApp>,
    pub now: Timestamp,
}

/// An account, and where it was learnt whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedAccount {
    pub account: Account,
    /// A source of `identity.user_id`, or `operator`; `None` while nobody knows.
    pub origin: Option<String>,
}

/// What is known of one user in one app.
#[derive(Debug)]
pub struct CollectedApp {
    pub profile: Result<Profile, Failure>,
    pub ledger: Ledger,
    pub overrides: Overrides,
    pub rules: Rules,
}

impl Collected {
    /// The cases of all apps.
    ///
    /// # Errors
    /// When nobody knows the user, or the first part that could not be read.
    pub fn cases(&self) -> Result<Vec<Case>, CollectError> {
        if self.user.is_err() && self.billing.is_ok() {
            return Err(CollectError::NoUser);
        }
        if let Err(failure) = &self.billing {
            return Err(failure.clone().into());
        }
        self.apps.iter().map(|app| self.case(app).map_err(|failure| failure.clone().into())).collect()
    }

    /// The case that a sync of `app` would decide now, when all of it could be read.
    ///
    /// # Errors
    /// What could not be read.
    pub fn case<'a>(&'a self, app: &'a CollectedApp) -> Result<Case, &'a Failure> {
        Ok(Case {
            billing: self.billing.as_ref()?.clone(),
            profile: app.profile.as_ref()?.clone(),
            ledger: app.ledger.clone(),
            overrides: app.overrides.clone(),
            rules: app.rules.clone(),
            now: self.now,
        })
    }
}

/// Why no case of a user could be made.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("no app user is known for the account; see `grantsync parked list`")]
    NoUser,
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account as it was read, or as it is remembered.
struct Known {
    account: Account,
    billing: Result<Billing, Failure>,
    identity: Result<Identity, String>,
    deleted: bool,
}

impl Controller {
    /// What is known of the user behind `object`: an account, or anything that leads to one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn collect(&self, object: &Account) -> Result<Collected, StoreError> {
        let Known { account, billing, identity, deleted } = self.known(object).await?;
        match identity {
            Ok(Identity { user, origin }) => {
                let mut accounts = self.linked_accounts(&user).await?;
                accounts.retain(|linked| linked.account != account);
                accounts.insert(0, LinkedAccount { account, origin: Some(origin) });
                self.collect_apps(user, accounts, billing, deleted).await
            }
            Err(why) => Ok(Collected {
                accounts: vec![LinkedAccount { account, origin: None }],
                user: Err(why),
                billing,
                deleted,
                apps: Vec::new(),
                now: (self.clock)(),
            }),
        }
    }

    /// What is known of `user` over all linked accounts; billed nothing when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn collect_user(&self, user: &User) -> Result<Collected, StoreError> {
        let accounts = self.linked_accounts(user).await?;
        let (billing, deleted) = match accounts.first() {
            Some(first) => {
                let known = self.known_account(first.account.clone()).await?;
                (known.billing, known.deleted)
            }
            None => (Ok(Billing::empty(self.mode.unwrap_or(Mode::Live))), false),
        };
        self.collect_apps(user.clone(), accounts, billing, deleted).await
    }

    /// What `user`, who is billed that, has once what was `collected` is executed, or if it is not; and whether an app could not be observed, of
    /// which then counts what is expected, and what was seen there before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status_of(
        &self,
        user: &User,
        billing: &Billing,
        collected: &Collected,
    ) -> Result<(Status, bool), StoreError> {
        let (mut all, mut is_whole) = (Status::default(), true);
        for (app, known) in self.apps.iter().zip(&collected.apps) {
            let status = match collected.case(known) {
                Ok(case) => self.named(app, Status::of(&case, &decide(&case), self.policy_mode.carried())),
                Err(failure) => {
                    tracing::warn!(app = app.name(), error = %failure, "an app could not be observed");
                    is_whole = false;
                    self.unobserved_status(app, user, billing).await?
                }
            };
            all = all.and(status);
        }
        Ok((all, is_whole))
    }

    async fn collect_apps(
        &self,
        user: User,
        accounts: Vec<LinkedAccount>,
        billing: Result<Billing, Failure>,
        deleted: bool,
    ) -> Result<Collected, StoreError> {
        let billing = match (billing, accounts.first()) {
            (Ok(billing), Some(first)) => {
                let all = accounts.iter().map(|linked| linked.account.clone()).collect();
                let merged = self.with_other_accounts(billing, &first.account, all, Patience::First).await;
                read_part(merged.map(|(billing, _)| billing))?
            }
            (billing, _) => billing,
        };
        let mode = self.mode.or(billing.as_ref().ok().map(|billing| billing.mode)).unwrap_or(Mode::Live);
        let apps = try_join_all(self.apps.iter().map(|app| self.collect_app(app, &user, mode))).await?;
        Ok(Collected { accounts, user: Ok(user), billing, deleted, apps, now: (self.clock)() })
    }

    async fn collect_app(&self, app: &Target, user: &User, mode: Mode) -> Result<CollectedApp, StoreError> {
        let rules = Rules { mode, ..app.rules.clone() };
        let sent = self.store.ledger_and_overrides(user, &rules.destination, mode);
        let (profile, sent) = tokio::join!(app.destination.observe(user), sent);
        let (ledger, overrides) = sent?;
        Ok(CollectedApp { profile, ledger, overrides, rules })
    }

    /// The account behind `object`, as it is read, or remembered while its source does not answer.
    async fn known(&self, object: &Account) -> Result<Known, StoreError> {
        let resolved = match object.is_of_user() {
            true => Ok(Resolved::Account(object.clone())),
            false => self.sources.resolve(object).await,
        };
        match resolved {
            Ok(Resolved::Account(account)) => self.known_account(account).await,
            Ok(Resolved::Nobody(why)) => {
                let billing = Ok(Billing::empty(self.mode.unwrap_or(Mode::Live)));
                Ok(Known { account: object.clone(), billing, identity: Err(why), deleted: false })
            }
            Err(failure) => self.remembered(object.clone(), failure).await,
        }
    }

    async fn known_account(&self, account: Account) -> Result<Known, StoreError> {
        match read_part(self.read_billing(&account).await)? {
            Ok(read) => {
                let why = || read.contradiction.unwrap_or_else(|| self.sources.why_unnamed(&account));
                let identity = read.identity.ok_or_else(why);
                Ok(Known { billing: Ok(read.billing), identity, deleted: read.deleted, account })
            }
            Err(failure) => self.remembered(account, failure).await,
        }
    }

    /// What our own memory knows of an account that cannot be read.
    async fn remembered(&self, account: Account, failure: Failure) -> Result<Known, StoreError> {
        let link = self.store.link_of(&account).await?;
        let identity = link.map(|link| Identity { user: link.user, origin: link.origin });
        let identity = identity.ok_or_else(|| "its app user was not learnt so far".to_owned());
        Ok(Known { account, billing: Err(failure), identity, deleted: false })
    }

    async fn linked_accounts(&self, user: &User) -> Result<Vec<LinkedAccount>, StoreError> {
        let mut linked = Vec::new();
        for account in self.store.accounts_of(user).await? {
            let origin = self.store.link_of(&account).await?.map(|link| link.origin);
            linked.push(LinkedAccount { account, origin });
        }
        Ok(linked)
    }
}

/// Reading neither leases nor links: either a vendor failed, or the database.
fn read_part<T>(part: Result<T, SyncError>) -> Result<Result<T, Failure>, StoreError> {
    match part {
        Ok(part) => Ok(Ok(part)),
        Err(SyncError::Upstream(failure)) => Ok(Err(failure)),
        Err(SyncError::Store(error)) => Err(error),
        Err(SyncError::Busy | SyncError::LeaseLost) => Err(StoreError::Stopped),
    }
}
