//! One sync of one account: read, decide, execute, settle.

use entitlement::model::account::Account;
use entitlement::model::billing::Billing;
use entitlement::model::failure::Failure;
use entitlement::model::reading::{Identity, Resolved};
use entitlement::model::user::User;
use store::claim::{Claim, Urgency};
use store::link::{Link, Linked};
use store::links::AccountContext;

use crate::attention;
use crate::controller::Controller;
use crate::former_users::FormerUser;
use crate::log;
use crate::outcome::{Outcome, SyncError};
use crate::read::Patience;

/// What was read before anything is decided.
struct Ready {
    user: User,
    /// What all accounts of the user are billed.
    billing: Billing,
    former: Vec<FormerUser>,
    /// Of an account of the user that could not be read: it is tried again.
    unread: Option<Failure>,
    /// What ending former users' access left.
    outcome: Outcome,
}

impl Controller {
    /// Syncs a claimed account, and settles its lease.
    pub async fn sync(&self, claim: Claim) {
        let began = (self.clock)();
        let outcome = self.sync_account(&claim).await;
        log::synced(&outcome, began, (self.clock)());
        if let Ok(outcome) = &outcome {
            self.log_new_attention(&claim.account, &outcome.attention).await;
        }
        self.settle(&claim, outcome).await;
    }

    async fn sync_account(&self, claim: &Claim) -> Result<Outcome, SyncError> {
        if let Some(outcome) = self.follow(claim).await? {
            return Ok(outcome);
        }
        // profiles of a user who is known already are read while billing is
        let mut early = self.begin_reading(claim);
        let ready = tokio::select! {
            ready = self.read_account(claim) => ready?,
            never = early.read_on() => match never {},
        };
        let Ready { user, billing, former, unread, mut outcome } = match ready {
            Ok(ready) => ready,
            Err(outcome) => return Ok(outcome),
        };
        let synced = self.sync_destinations(claim, &user, &billing, early.of(&user)).await?;
        outcome.status = synced.status.clone();
        outcome.add(synced);
        self.finish_former_users(claim, former, &mut outcome).await?;
        self.sync_sales(claim, &user, &billing, &mut outcome).await?;
        outcome.failure = outcome.failure.or(unread);
        Ok(outcome)
    }

    /// An object that only leads to an account (an invoice, a charge) makes the account due that it leads to.
    async fn follow(&self, claim: &Claim) -> Result<Option<Outcome>, SyncError> {
        let object = &claim.account;
        if object.is_of_user() {
            return Ok(None);
        }
        match self.sources.resolve(object).await? {
            Resolved::Account(account) if &account == object => return Ok(None),
            Resolved::Account(account) => {
                let urgency = if claim.is_from_event() { Urgency::Fresh } else { Urgency::Requested };
                self.store.enqueue(vec![account], urgency).await?;
            }
            Resolved::Nobody(why) => tracing::info!(object.id = %object, "the event concerns no account: {why}"),
        }
        Ok(Some(Outcome { leads_elsewhere: true, ..Outcome::default() }))
    }

    /// Reads billing, and whose it is; or answers what the sync leaves, when it is nobody's.
    async fn read_account(&self, claim: &Claim) -> Result<Result<Ready, Outcome>, SyncError> {
        let read = self.read_billing(&claim.account).await?;
        let Some(identity) = read.identity else {
            return Ok(Err(self.without_user(&claim.account, &read.billing, read.contradiction)));
        };
        if read.deleted {
            tracing::info!(account.id = %claim.account, "the account was deleted at its source");
        }
        let context = self.take_user(claim, &identity, read.context).await?;
        let AccountContext { former_users, accounts, .. } = context;
        let (outcome, former) = self.end_former_users(claim, read.billing.mode, former_users).await?;
        let patience = Patience::of(claim);
        let (billing, unread) = self.with_other_accounts(read.billing, &claim.account, accounts, patience).await?;
        Ok(Ok(Ready { user: identity.user, billing, former, unread, outcome }))
    }

    /// Nobody is named: parked, unless what is billed opens nothing anyway.
    fn without_user(&self, account: &Account, billing: &Billing, contradiction: Option<String>) -> Outcome {
        if self.catalogs().all(|catalog| catalog.ignores_all(billing)) {
            return Outcome::default();
        }
        let reason = contradiction.unwrap_or_else(|| self.sources.why_unnamed(account));
        attention::unknown_user(account, reason, &self.sources)
    }

    /// Links the account to its user, and takes the user: no other account of theirs is synced meanwhile. Answers what is
    /// known around the account since then.
    async fn take_user(
        &self,
        claim: &Claim,
        identity: &Identity,
        context: AccountContext,
    ) -> Result<AccountContext, SyncError> {
        let is_linked = context.link.as_ref().is_some_and(|link| link.user == identity.user);
        if is_linked && claim.user.as_ref() == Some(&identity.user) {
            // the claim took the user with the account
            return Ok(context);
        }
        let Identity { user, origin } = identity.clone();
        let link = Link { account: claim.account.clone(), user, origin };
        match self.store.link(link, Some(claim.lease.clone())).await? {
            Linked::Done => Ok(self.store.account_context(&claim.account).await?),
            Linked::Busy => Err(SyncError::Busy),
            Linked::LeaseLost => Err(SyncError::LeaseLost),
        }
    }
}
