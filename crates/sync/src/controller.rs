//! A look: what happens when an account's turn has come.

use std::collections::BTreeMap;

use adapty::adapty::Adapty;
use chrono::Duration;
use entitlement::attributes::Fact;
use entitlement::billing::Billing;
use entitlement::catalog::Catalog;
use entitlement::clock::{Clock, Timestamp, after};
use entitlement::failure::{Class, Failure};
use entitlement::key::StepKey;
use entitlement::names::{Account, Mode, User};
use entitlement::reading::{Identity, Resolved, Scope};
use entitlement::retry::{self, Next};
use entitlement::rules::Rules;
use entitlement::status::{Carried, Status};
use source::sources::Sources;
use store::claim::{Claim, Urgency};
use store::error::StoreError;
use store::link::{Link, Linked};
use store::links::AccountContext;
use store::open::Store;
use store::record::{Attention, Fenced, Settlement, StepResult, SyncEnding};

use crate::books::Books;
use crate::recent::Recent;
use crate::{attention, log};

/// How long a look waits for another that holds the same customer, in milliseconds.
const YIELD: i64 = 250;

/// The attempt from which on the wait between two looks grows no longer.
const LONGEST_WAIT: u32 = 40;

/// Everything a look needs.
#[derive(Clone, Debug)]
pub struct Controller {
    pub store: Store,
    pub sources: Sources,
    /// The apps that are kept in step, at least one.
    pub apps: Vec<App>,
    /// Books beside the apps that are told what was sold, if any are.
    pub books: Option<Books>,
    /// The mode of the source's key; `None` when it does not tell: then that of what is billed.
    pub mode: Option<Mode>,
    pub policy_mode: PolicyMode,
    /// What our last writes left, which need not be read again at once.
    pub recent: Recent,
    pub clock: Clock,
}

/// One app at the destination, and what holds for it.
#[derive(Clone, Debug)]
pub struct App {
    pub adapty: Adapty,
    /// All but the mode, when the key does not tell it. The destination's name is the app's.
    pub rules: Rules,
}

impl App {
    /// The app's name: the destination in keys and the ledger.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.rules.destination
    }
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyMode {
    Enforce,
    /// Decide and tell; write nothing to a destination.
    Observe,
}

impl PolicyMode {
    pub(crate) fn carried(self) -> Carried {
        match self {
            Self::Enforce => Carried::Out,
            Self::Observe => Carried::Not,
        }
    }
}

/// Why a look did not come to its end.
#[derive(Debug)]
pub(crate) enum SyncError {
    Upstream(Failure),
    Store(StoreError),
    /// Another worker looks at the same customer.
    Busy,
    /// The lease ran out under us; another worker may be at it. Nothing may be written.
    LeaseLost,
}

impl From<Failure> for SyncError {
    fn from(failure: Failure) -> Self {
        Self::Upstream(failure)
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is known before the apps are served.
struct Prepared {
    user: User,
    billing: Billing,
    former: Vec<Former>,
    /// What ending former users' rights left.
    outcome: Outcome,
}

/// Whom the account belonged to before, as far as the apps are concerned.
struct Former {
    user: User,
    billing: Billing,
    /// The apps show nothing of theirs any more.
    at_rest: bool,
}

/// What a look that came to its end leaves.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: Vec<StepResult>,
    pub(crate) parked: Vec<Attention>,
    pub(crate) next: Option<Timestamp>,
    /// Nothing is left to be done or waited for.
    pub(crate) at_rest: bool,
    /// It was no account, and only led to one.
    pub(crate) leads_elsewhere: bool,
    /// Where the customer of the account stands.
    pub(crate) status: Option<(User, Status)>,
    /// Where those stand to whom the account belonged before.
    pub(crate) former: Vec<(User, Status)>,
    /// What kept somebody from being served, while others were: tried again.
    pub(crate) failure: Option<Failure>,
    /// The same, for good; it is among what is parked.
    pub(crate) partly: bool,
    /// Why an app could not be read, so that what is known of it may be out of date.
    pub(crate) unread: Option<String>,
}

impl Outcome {
    /// Adds what another decision of the same look leaves.
    pub(crate) fn add(&mut self, other: Self) {
        self.sent.extend(other.sent);
        let new = other.parked.into_iter().filter(|finding| !self.parked.contains(finding)).collect::<Vec<_>>();
        self.parked.extend(new);
        self.failure = self.failure.take().or(other.failure);
        self.partly |= other.partly;
        self.unread = self.unread.take().or(other.unread);
        self.former.extend(other.former);
        other.next.into_iter().for_each(|at| self.sync_again_at(at));
        self.at_rest &= other.at_rest;
    }

    /// What two apps leave of one customer.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let status = self.status.take().zip(other.status.clone());
        self.status = status.map(|((user, one), (_, another))| (user, one.and(another)));
        self.add(other);
        self
    }

    pub(crate) fn sync_again_at(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |soonest| soonest.min(at)));
    }
}

impl Controller {
    /// The same for work in bulk, which may use `percent` of the rate limits.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        let slower = |app: &App| App { adapty: app.adapty.with_rate_share(percent), ..app.clone() };
        let (sources, apps) = (self.sources.with_rate_share(percent), self.apps.iter().map(slower).collect());
        let books = self.books.as_ref().map(|books| books.with_rate_share(percent));
        Self { sources, apps, books, ..self.clone() }
    }

    /// The catalogs of all apps.
    pub(crate) fn catalogs(&self) -> impl Iterator<Item = &Catalog> {
        self.apps.iter().map(|app| &app.rules.catalog)
    }

    /// What a source says of somebody whom it does not know: nothing, wherever an app asks.
    pub(crate) fn nothing_said(&self) -> BTreeMap<String, Fact> {
        let asked = self.apps.iter().flat_map(|app| &app.rules.sourced_attributes);
        asked.map(|sourced_attributes| (sourced_attributes.from.clone(), Fact(String::new()))).collect()
    }

    /// What has to be read for the catalogs of all apps.
    pub(crate) fn scope(&self) -> Scope {
        Scope { one_time: self.catalogs().any(Catalog::sells_once) }
    }

    /// Looks at a claimed account and settles its lease.
    pub async fn look(&self, claim: Claim) {
        let began = (self.clock)();
        let outcome = self.try_look(&claim).await;
        log::looked(&outcome, began, (self.clock)());
        if let Ok(outcome) = &outcome {
            self.tell_parked(&claim.account, &outcome.parked).await;
        }
        let failed = outcome.is_err();
        let Some(settlement) = self.settlement(&claim, outcome) else { return };
        match self.store.settle(settlement).await {
            Ok(Fenced::Written) => {}
            Ok(Fenced::LeaseLost) => {
                tracing::warn!(account.id = %claim.account, "the lease ran out before the look was settled")
            }
            // one failure, one log: without a database neither the look nor its end comes through
            Err(error) if failed => tracing::debug!(account.id = %claim.account, %error, "nor is its end written"),
            Err(error) => log::unsettled(&claim.account, &error),
        }
    }

    /// Logs what is parked now and was not before: each thing once, however often it is found.
    async fn tell_parked(&self, account: &Account, found: &[Attention]) {
        if found.is_empty() {
            return;
        }
        let known = self.store.parked_for(account).await.unwrap_or_default();
        for finding in found {
            let name = (finding.kind.as_str().to_owned(), finding.subject.clone());
            if !known.contains(&name) {
                log::parked(account, finding);
            }
        }
    }

    async fn try_look(&self, claim: &Claim) -> Result<Outcome, SyncError> {
        if let Some(outcome) = self.leads_elsewhere(claim).await? {
            return Ok(outcome);
        }
        let mut early = self.early(claim);
        let prepared = tokio::select! {
            prepared = self.prepare(claim) => prepared?,
            never = early.read_on() => match never {},
        };
        let Prepared { user, billing, former, mut outcome } = match prepared {
            Ok(prepared) => prepared,
            Err(outcome) => return Ok(outcome),
        };
        let served = match self.serve(claim, &user, &billing, early.of(&user)).await {
            Err(SyncError::Upstream(failure)) => self.served_nowhere(&user, &billing, failure).await?,
            served => served?,
        };
        outcome.status = served.status.clone();
        outcome.add(served);
        self.part_with(claim, former, &mut outcome).await?;
        self.tell_books(claim, &user, &billing, &mut outcome).await?;
        Ok(outcome)
    }

    /// All that comes before the apps are served; or what the look leaves, when nobody is to be served.
    async fn prepare(&self, claim: &Claim) -> Result<Result<Prepared, Outcome>, SyncError> {
        let gathered = self.gather(&claim.account).await?;
        let Some(identity) = gathered.identity else {
            let reason = gathered.contradiction.unwrap_or_else(|| self.sources.why_unnamed(&claim.account));
            // what opens nothing in any app concerns nobody
            let ignored = self.catalogs().all(|catalog| catalog.ignores_all(&gathered.billing));
            return Ok(Err(if ignored {
                Outcome::default()
            } else {
                attention::nobody(&claim.account, reason, &self.sources)
            }));
        };
        if gathered.deleted {
            tracing::info!(account.id = %claim.account, "the customer was deleted at the source");
        }
        let AccountContext { former_users: former, accounts, .. } =
            self.take(claim, &identity, gathered.account_context).await?;
        let (outcome, former) = self.hand_over(claim, gathered.billing.mode, former).await?;
        let billing = self.with_other_accounts(gathered.billing, &claim.account, accounts).await?;
        Ok(Ok(Prepared { user: identity.user, billing, former, outcome }))
    }

    /// Links the account to its customer, and takes the customer: no other account of theirs is looked at meanwhile.
    /// Answers what is known around the account since then.
    async fn take(
        &self,
        claim: &Claim,
        identity: &Identity,
        account_context: AccountContext,
    ) -> Result<AccountContext, SyncError> {
        let is_theirs = |link: &Link| link.user == identity.user;
        if claim.user.as_ref() == Some(&identity.user) && account_context.link.as_ref().is_some_and(is_theirs) {
            // the claim took the customer with the account
            return Ok(account_context);
        }
        let Identity { user, origin } = identity.clone();
        let link = Link { account: claim.account.clone(), user, origin };
        match self.store.link(link, Some(claim.lease.clone())).await? {
            Linked::Done => Ok(self.store.account_context(&claim.account).await?),
            Linked::Busy => Err(SyncError::Busy),
            Linked::LeaseLost => Err(SyncError::LeaseLost),
        }
    }

    /// An object that only leads to an account (an invoice, a charge) rings for the account it leads to.
    async fn leads_elsewhere(&self, claim: &Claim) -> Result<Option<Outcome>, SyncError> {
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
            Resolved::Nobody(why) => tracing::info!(object.id = %object, "an event concerns nobody: {why}"),
        }
        Ok(Some(Outcome { leads_elsewhere: true, ..Outcome::default() }))
    }

    /// Ends what former users of the account had through it. A former user with other accounts is left to their looks;
    /// one without is decided for here, billed nothing, until nothing is left to do.
    async fn hand_over(
        &self,
        claim: &Claim,
        mode: Mode,
        formers: Vec<User>,
    ) -> Result<(Outcome, Vec<Former>), SyncError> {
        let (mut all, mut served) = (Outcome::default(), Vec::new());
        for former in formers {
            tracing::info!(account.id = %claim.account, "the account changed hands: its former user's access ends");
            let others = self.store.accounts_of(&former).await?;
            if !others.is_empty() {
                self.store.enqueue(others, Urgency::Requested).await?;
                self.store.forget_former_user(claim.account.clone(), former).await?;
                continue;
            }
            let billing = Billing { facts: self.nothing_said(), ..Billing::empty(mode) };
            // whoever is forgotten for good is forgotten on what was read
            let readings = self.readings(&former, self.mode.unwrap_or(mode));
            let outcome = match self.serve(claim, &former, &billing, readings).await {
                Ok(outcome) => outcome,
                // whoever has the account now is served all the same
                Err(SyncError::Upstream(failure)) => {
                    self.unserved(claim, "a former user", failure, &mut all);
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            self.close_early(claim, outcome.sent, Vec::new()).await?;
            served.push(Former { user: former, billing, at_rest: outcome.at_rest });
            all.former.extend(outcome.status);
            let next = outcome.next.filter(|_| !outcome.at_rest);
            // what is not seen of them makes no doubt of whoever has the account now
            all.add(Outcome { sent: Vec::new(), status: None, next, unread: None, ..outcome });
        }
        Ok((all, served))
    }

    /// Tells the books what former users lost, once whoever pays now is served, and forgets those with nothing left.
    async fn part_with(&self, claim: &Claim, formers: Vec<Former>, all: &mut Outcome) -> Result<(), SyncError> {
        for Former { user, billing, at_rest } in formers {
            let mut outcome = Outcome { at_rest, ..Outcome::default() };
            self.tell_books(claim, &user, &billing, &mut outcome).await?;
            self.close_early(claim, std::mem::take(&mut outcome.sent), Vec::new()).await?;
            if outcome.at_rest {
                self.store.forget_former_user(claim.account.clone(), user).await?;
            }
            let next = outcome.next.filter(|_| !outcome.at_rest);
            all.add(Outcome { next, ..outcome });
        }
        Ok(())
    }

    fn settlement(&self, claim: &Claim, mut outcome: Result<Outcome, SyncError>) -> Option<Settlement> {
        let mut statuses = Vec::new();
        if let Ok(outcome) = &mut outcome {
            statuses.append(&mut outcome.former);
            statuses.extend(outcome.status.take());
        }
        let (sent, ending) = match outcome {
            Ok(outcome) if outcome.leads_elsewhere => (Vec::new(), SyncEnding::Discarded),
            Ok(Outcome { sent, failure: Some(failure), parked, next, .. }) => {
                (sent, self.failed(claim, &failure, next, parked))
            }
            Ok(Outcome { sent, partly: true, parked, next, unread, .. }) => {
                (sent, SyncEnding::Incomplete { due: next, attention: parked, error: unread })
            }
            Ok(Outcome { sent, parked, next, .. }) => (sent, SyncEnding::Done { due: next, attention: parked }),
            Err(SyncError::LeaseLost) => return None,
            Err(SyncError::Busy) => {
                let due = after((self.clock)(), Duration::milliseconds(YIELD));
                (Vec::new(), SyncEnding::Yielded { due })
            }
            Err(SyncError::Store(error)) => {
                log::unsettled(&claim.account, &error);
                let due = after((self.clock)(), Duration::seconds(1));
                (Vec::new(), SyncEnding::Failed { due, error: error.to_string(), attention: Vec::new() })
            }
            Err(SyncError::Upstream(failure)) => (Vec::new(), self.failed(claim, &failure, None, Vec::new())),
        };
        Some(Settlement {
            account: claim.account.clone(),
            lease: claim.lease.clone(),
            generation: claim.generation,
            results: sent,
            statuses,
            ending,
        })
    }

    /// `sooner`, `parked`: when what did not fail wants to be looked at, and what it parks.
    fn failed(
        &self,
        claim: &Claim,
        failure: &Failure,
        sooner: Option<Timestamp>,
        parked: Vec<Attention>,
    ) -> SyncEnding {
        let (now, why) = ((self.clock)(), failure.to_string());
        let jitter = StepKey::stored(claim.account.as_str().to_owned());
        // bells and refused keys may try far more often than the schedule; only time makes a look give up
        let attempts = claim.attempts.saturating_add(1).min(LONGEST_WAIT);
        match retry::after(failure, attempts, &jitter, now) {
            Next::At(next) if failure.class == Class::Credentials || !claim.has_exhausted_retries(now) => {
                log::look_failed(&claim.account, failure, next);
                SyncEnding::Failed { due: sooner.map_or(next, |at| at.min(next)), error: why, attention: parked }
            }
            Next::At(_) | Next::Never => {
                tracing::error!(account.id = %claim.account, error = %why, "a look failed for good and is parked");
                SyncEnding::GivenUp(attention::look_failed(&claim.account, why, failure.class == Class::Missing))
            }
        }
    }
}
