//! Reads what a sync decides on: billing, profiles, and the ledger.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use entitlement::access::cached_profile;
use entitlement::model::account::Account;
use entitlement::model::billing::{About, Billing, Gap};
use entitlement::model::failure::{Class, Failure};
use entitlement::model::key::StepKey;
use entitlement::model::ledger::Ledger;
use entitlement::model::mode::Mode;
use entitlement::model::overrides::Overrides;
use entitlement::model::profile::Profile;
use entitlement::model::reading::{AccountReading, Identity};
use entitlement::model::user::User;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use store::claim::Claim;
use store::link::{Link, OPERATOR};
use store::links::AccountContext;

use crate::controller::Controller;
use crate::outcome::SyncError;
use crate::target::Target;

/// What was read of one account.
#[derive(Debug)]
pub(crate) struct ReadAccount {
    pub(crate) billing: Billing,
    pub(crate) identity: Option<Identity>,
    /// Why nobody is named although the source speaks.
    pub(crate) contradiction: Option<String>,
    pub(crate) deleted: bool,
    pub(crate) context: AccountContext,
}

/// How soon a failure of one of a user's accounts is taken for that account's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It may be gone at the next try.
    First,
    /// It was tried often enough.
    Exhausted,
}

impl Patience {
    /// Tries that fail before the others go on without the account.
    const TRIES: u32 = 2;

    pub(crate) fn of(claim: &Claim) -> Self {
        if claim.attempts < Self::TRIES { Self::First } else { Self::Exhausted }
    }

    fn takes_for_gap(self, failure: &Failure) -> bool {
        match failure.class {
            Class::Missing | Class::Permanent | Class::Forbidden => true,
            Class::Transient => self == Self::Exhausted,
            Class::Credentials | Class::GateClosed => false,
        }
    }
}

/// What a destination shows of one user, and what it was sent.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) profile: Profile,
    pub(crate) ledger: Ledger,
    pub(crate) overrides: Overrides,
    /// The step that the profile is cached since; `None` when it was read.
    pub(crate) cached: Option<StepKey>,
}

/// A picture that is being read, or was.
pub(crate) type Reading<'a> = MaybeDone<BoxFuture<'a, Result<Picture, SyncError>>>;

/// What is being read of one user before it is known whether it is the right one: a picture of each app, which none of the
/// others waits for.
#[derive(Default)]
pub(crate) struct Early<'a> {
    user: Option<&'a User>,
    readings: Vec<Reading<'a>>,
}

impl<'a> Early<'a> {
    /// Reads on for as long as it is waited for.
    pub(crate) async fn read_on(&mut self) -> Infallible {
        poll_fn(|context| {
            for reading in &mut self.readings {
                let _ = reading.poll_unpin(context);
            }
            Poll::Pending
        })
        .await
    }

    /// The readings, app by app; none when it was somebody else's.
    pub(crate) fn of(self, user: &User) -> Vec<Reading<'a>> {
        // what was read of somebody else by now is of no use, and neither is its failure
        if self.user == Some(user) { self.readings } else { Vec::new() }
    }
}

/// What a reading found, once it has.
pub(crate) async fn take(mut reading: Reading<'_>) -> Option<Result<Picture, SyncError>> {
    (&mut reading).await;
    Pin::new(&mut reading).take_output()
}

impl Controller {
    /// Reads what `account` is billed, and whose it is.
    pub(crate) async fn read_billing(&self, account: &Account) -> Result<ReadAccount, SyncError> {
        let (reading, context) = tokio::join!(self.read_source(account), self.store.account_context(account));
        let (reading, context) = (reading?, context?);
        let identity = identity(&reading, context.link.as_ref());
        let AccountReading { billing, contradiction, deleted, .. } = reading;
        Ok(ReadAccount { billing, identity, contradiction, deleted, context })
    }

    async fn read_source(&self, account: &Account) -> Result<AccountReading, SyncError> {
        if account.is_of_user() {
            return Ok(AccountReading::nothing(self.mode.unwrap_or(Mode::Live)));
        }
        Ok(self.sources.read(account, self.scope()).await?)
    }

    /// Begins to read what is known already of the user of `claim`, in each app by itself.
    pub(crate) fn begin_reading<'a>(&'a self, claim: &'a Claim) -> Early<'a> {
        let user = claim.user.as_ref();
        let (Some(known), Some(mode)) = (user, self.mode) else { return Early::default() };
        let readings = self.apps.iter().map(|app| maybe_done(self.picture(app, claim, known, mode).boxed()));
        Early { user, readings: readings.collect() }
    }

    /// Begins to read a picture of `user` in every app, whatever is cached.
    pub(crate) fn read_pictures<'a>(&'a self, user: &'a User, mode: Mode) -> Vec<Reading<'a>> {
        let readings = self.apps.iter().map(|app| maybe_done(self.read_picture(app, user, mode).boxed()));
        readings.collect()
    }

    /// The picture of `user` in `app`; after an event, with the cached profile where our own last request showed it within
    /// its lag.
    pub(crate) async fn picture(
        &self,
        app: &Target,
        claim: &Claim,
        user: &User,
        mode: Mode,
    ) -> Result<Picture, SyncError> {
        let (lag, now) = (app.rules.policy.lag(), (self.clock)());
        let cached = claim.is_from_event().then(|| self.profile_cache.get(app.name(), user, lag, now)).flatten();
        let Some(cached) = cached else { return self.read_picture(app, user, mode).await };
        let (ledger, overrides) = self.store.ledger_and_overrides(user, app.name(), mode).await?;
        if cached_profile::is_newest(&ledger, &cached.key, lag, now) {
            return Ok(Picture { profile: cached.profile, ledger, overrides, cached: Some(cached.key) });
        }
        let profile = app.destination.observe(user).await?;
        Ok(Picture { profile, ledger, overrides, cached: None })
    }

    /// The picture of `user` in `app`, with the profile read now.
    pub(crate) async fn read_picture(&self, app: &Target, user: &User, mode: Mode) -> Result<Picture, SyncError> {
        let sent = self.store.ledger_and_overrides(user, app.name(), mode);
        let (profile, sent) = tokio::join!(app.destination.observe(user), sent);
        let (profile, (ledger, overrides)) = (profile?, sent?);
        Ok(Picture { profile, ledger, overrides, cached: None })
    }

    /// Adds what the other `accounts` of its user are billed, in the order of their names, so that it makes no difference
    /// which of them is synced. One that cannot be read is a gap: what it gave is held, and what the others pay for goes on.
    /// Answers the failure, too, of one that is to be tried again.
    pub(crate) async fn with_other_accounts(
        &self,
        billing: Billing,
        account: &Account,
        accounts: Vec<Account>,
        patience: Patience,
    ) -> Result<(Billing, Option<Failure>), SyncError> {
        // that of the account, unless nothing is ever billed to it
        let mode = if account.is_of_user() { self.mode } else { Some(billing.mode) };
        let (mut gaps, mut failed) = (Vec::new(), None);
        let mut all = vec![(account.clone(), billing)];
        for other in accounts.into_iter().filter(|other| other != account) {
            match self.read_source(&other).await {
                Ok(reading) => all.push((other, reading.billing)),
                Err(SyncError::Upstream(failure)) if patience.takes_for_gap(&failure) => {
                    let about = About::Chain(other.as_str().to_owned());
                    gaps.push(Gap { about, what: format!("`{other}`: {failure}") });
                    failed = failed.or(Some(failure).filter(|failure| failure.class == Class::Transient));
                }
                Err(error) => return Err(error),
            }
        }
        let mut merged = self.merged(all, gaps);
        merged.mode = mode.unwrap_or(merged.mode);
        Ok((merged, failed))
    }

    fn merged(&self, mut all: Vec<(Account, Billing)>, gaps: Vec<Gap>) -> Billing {
        all.sort_by(|(one, _), (another, _)| one.cmp(another));
        let is_of_no_source = gaps.is_empty() && all.iter().all(|(account, _)| account.is_of_user());
        let mut billings = all.into_iter().map(|(_, billing)| billing);
        let mut merged = billings.next().unwrap_or_else(|| Billing::empty(Mode::Live));
        billings.for_each(|billing| merged.merge(billing));
        if !gaps.is_empty() {
            // what was found nowhere may be where nothing could be read
            merged.facts.retain(|_, fact| !fact.0.is_empty());
        }
        if is_of_no_source {
            // of a user without an account, no source says anything any more
            merged.facts = self.nothing_known();
        }
        merged.gaps.extend(gaps);
        merged
    }
}

/// An operator's link wins; then what the source says now; then what it said before.
fn identity(reading: &AccountReading, before: Option<&Link>) -> Option<Identity> {
    let kept = || before.map(|link| Identity { user: link.user.clone(), origin: link.origin.clone() });
    if before.is_some_and(|link| link.origin == OPERATOR) {
        return kept();
    }
    reading.identity.clone().or_else(kept)
}
