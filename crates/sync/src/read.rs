//! Gathers the three pictures: what is billed, what is shown, what was done.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use entitlement::billing::{About, Billing, Gap};
use entitlement::failure::Class;
use entitlement::key::StepKey;
use entitlement::ledger::Ledger;
use entitlement::names::{Account, Mode, User};
use entitlement::overrides::Overrides;
use entitlement::profile::Profile;
use entitlement::reading::{AccountReading, Identity};
use entitlement::recalled;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use store::claim::Claim;
use store::link::{Link, OPERATOR};
use store::links::AccountContext;

use crate::controller::{App, Controller, SyncError};

/// What was gathered of one account.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) billing: Billing,
    pub(crate) identity: Option<Identity>,
    /// Why nobody is named although the source speaks.
    pub(crate) contradiction: Option<String>,
    pub(crate) deleted: bool,
    pub(crate) account_context: AccountContext,
}

/// What is being read of one customer before it is known whether it is the right one: a reading for each app, which none
/// of the others waits for.
#[derive(Default)]
pub(crate) struct Early<'a> {
    user: Option<&'a User>,
    readings: Vec<Reading<'a>>,
}

/// The pictures of one app, being read or read.
pub(crate) type Reading<'a> = MaybeDone<BoxFuture<'a, Result<Pictures, SyncError>>>;

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
pub(crate) async fn read(mut reading: Reading<'_>) -> Option<Result<Pictures, SyncError>> {
    (&mut reading).await;
    Pin::new(&mut reading).take_output()
}

/// What an app shows and what it was told, of one customer.
#[derive(Debug)]
pub(crate) struct Pictures {
    pub(crate) profile: Profile,
    pub(crate) ledger: Ledger,
    pub(crate) overrides: Overrides,
    pub(crate) sight: Sight,
}

/// Where the picture of a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Read,
    /// It is how our last write left it, the step under this key, and was not read again.
    Recalled(StepKey),
}

impl Controller {
    /// Reads the account's billing, and whose it is.
    pub(crate) async fn gather(&self, account: &Account) -> Result<Gathered, SyncError> {
        let (reading, account_context) = tokio::join!(self.read(account), self.store.account_context(account));
        let (reading, account_context) = (reading?, account_context?);
        let identity = identity(&reading, account_context.link.as_ref());
        let AccountReading { billing, contradiction, deleted, .. } = reading;
        Ok(Gathered { billing, identity, contradiction, deleted, account_context })
    }

    async fn read(&self, account: &Account) -> Result<AccountReading, SyncError> {
        if account.is_of_user() {
            return Ok(AccountReading::nothing(self.mode.unwrap_or(Mode::Live)));
        }
        Ok(self.sources.read(account, self.scope()).await?)
    }

    /// Begins to read what is known already of the customer of `claim`, in each app by itself.
    pub(crate) fn early<'a>(&'a self, claim: &'a Claim) -> Early<'a> {
        let user = claim.user.as_ref();
        let (Some(known), Some(mode)) = (user, self.mode) else { return Early::default() };
        let readings = self.apps.iter().map(|app| maybe_done(self.recalled_or_read(app, claim, known, mode).boxed()));
        Early { user, readings: readings.collect() }
    }

    /// Begins to read what every app shows and was told of `user`, whatever is remembered.
    pub(crate) fn readings<'a>(&'a self, user: &'a User, mode: Mode) -> Vec<Reading<'a>> {
        let readings = self.apps.iter().map(|app| maybe_done(self.shown_and_told(app, user, mode).boxed()));
        readings.collect()
    }

    /// The same as [`Self::shown_and_told`]; of a bell, without reading the profile where our own last write showed it
    /// within its lag.
    pub(crate) async fn recalled_or_read(
        &self,
        app: &App,
        claim: &Claim,
        user: &User,
        mode: Mode,
    ) -> Result<Pictures, SyncError> {
        let (lag, now) = (app.rules.policy.lag(), (self.clock)());
        let left = claim.is_from_event().then(|| self.recent.left(app.name(), user, lag, now));
        let Some(left) = left.flatten() else { return self.shown_and_told(app, user, mode).await };
        let (ledger, overrides) = self.store.ledger_and_overrides(user, app.name(), mode).await?;
        let (profile, sight) = match recalled::is_as_left(&ledger, &left.key, lag, now) {
            true => (left.profile, Sight::Recalled(left.key)),
            false => (app.adapty.profile(user).await?, Sight::Read),
        };
        Ok(Pictures { profile, ledger, overrides, sight })
    }

    pub(crate) async fn shown_and_told(&self, app: &App, user: &User, mode: Mode) -> Result<Pictures, SyncError> {
        let (profile, told) =
            tokio::join!(app.adapty.profile(user), self.store.ledger_and_overrides(user, app.name(), mode));
        let (profile, (ledger, overrides)) = (profile?, told?);
        Ok(Pictures { profile, ledger, overrides, sight: Sight::Read })
    }

    /// Adds what the other `accounts` of its customer are billed, in the order of their names, so that it makes no
    /// difference which of them is looked at.
    pub(crate) async fn with_other_accounts(
        &self,
        billing: Billing,
        account: &Account,
        accounts: Vec<Account>,
    ) -> Result<Billing, SyncError> {
        // that of the account, unless nothing is ever billed to it
        let mode = if account.is_of_user() { self.mode } else { Some(billing.mode) };
        let mut gaps = Vec::new();
        let mut all = vec![(account.clone(), billing)];
        for other in accounts.into_iter().filter(|other| other != account) {
            match self.read(&other).await {
                Ok(reading) => all.push((other, reading.billing)),
                Err(SyncError::Upstream(failure)) if matches!(failure.class, Class::Missing | Class::Permanent) => {
                    // what it gave is held; what this account pays for goes on
                    let about = About::Chain(other.as_str().to_owned());
                    gaps.push(Gap { about, what: format!("`{other}`: {failure}") });
                }
                Err(trouble) => return Err(trouble),
            }
        }
        all.sort_by(|(one, _), (another, _)| one.cmp(another));
        let is_unknown = gaps.is_empty() && all.iter().all(|(account, _)| account.is_of_user());
        let mut billings = all.into_iter().map(|(_, billing)| billing);
        let mut merged = billings.next().unwrap_or_else(|| Billing::empty(Mode::Live));
        billings.for_each(|billing| merged.merge(billing));
        merged.mode = mode.unwrap_or(merged.mode);
        if !gaps.is_empty() {
            // what stands nowhere may stand where nobody could look
            merged.facts.retain(|_, fact| !fact.0.is_empty());
        }
        if is_unknown {
            // of whom no account is left, nothing is said any more
            merged.facts = self.nothing_said();
        }
        merged.gaps.extend(gaps);
        Ok(merged)
    }
}

/// The operator's word wins; then what the source says now; then what it said before.
fn identity(reading: &AccountReading, before: Option<&Link>) -> Option<Identity> {
    let kept = || before.map(|link| Identity { user: link.user.clone(), origin: link.origin.clone() });
    if before.is_some_and(|link| link.origin == OPERATOR) {
        return kept();
    }
    reading.identity.clone().or_else(kept)
}
