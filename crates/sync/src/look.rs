//! A look: what happens when an account's turn has come.

use std::collections::BTreeMap;

use adapty::adapty::Adapty;
use chrono::Duration;
use entitlement::billing::Billing;
use entitlement::catalog::Catalog;
use entitlement::clock::{Clock, Timestamp, after};
use entitlement::details::Fact;
use entitlement::failure::{Class, Failure};
use entitlement::key::StepKey;
use entitlement::names::{Account, Customer, Mode};
use entitlement::retry::{self, Next};
use entitlement::rules::Rules;
use entitlement::status::{Carried, Status};
use store::claim::{Claim, Urgency};
use store::error::StoreError;
use store::open::Store;
use store::people::{Around, Link, Linked};
use store::record::{Ending, Finding, Held, Sent, Settlement};
use stripe::reader::Stripe;
use stripe::resolve::Resolved;

use crate::books::Books;
use crate::gather::Identity;
use crate::recent::Recent;
use crate::{findings, telling};

/// How long a look waits for another that holds the same customer, in milliseconds.
const YIELD: i64 = 250;

/// The attempt from which on the wait between two looks grows no longer.
const LONGEST_WAIT: u32 = 40;

/// Everything a look needs.
#[derive(Clone, Debug)]
pub struct Sync {
    pub store: Store,
    pub stripe: Stripe,
    /// The apps that are kept in step, at least one.
    pub apps: Vec<App>,
    /// Books beside the apps that are told what was sold, if any are.
    pub books: Option<Books>,
    /// The mode of the source's key; `None` when it does not tell: then that of what is billed.
    pub mode: Option<Mode>,
    /// Where an account's app user is looked for, in words.
    pub sources: String,
    pub conduct: Conduct,
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
pub enum Conduct {
    Enforce,
    /// Decide and tell; write nothing to a destination.
    Observe,
}

impl Conduct {
    pub(crate) fn carried(self) -> Carried {
        match self {
            Self::Enforce => Carried::Out,
            Self::Observe => Carried::Not,
        }
    }
}

/// Why a look did not come to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    Upstream(Failure),
    Store(StoreError),
    /// Another worker looks at the same customer.
    Busy,
    /// The lease ran out under us; another worker may be at it. Nothing may be written.
    LeaseLost,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Upstream(failure)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is known before the apps are served.
struct Prepared {
    customer: Customer,
    billing: Billing,
    former: Vec<Former>,
    /// What ending former users' rights left.
    outcome: Outcome,
}

/// Whom the account belonged to before, as far as the apps are concerned.
struct Former {
    customer: Customer,
    billing: Billing,
    /// The apps show nothing of theirs any more.
    at_rest: bool,
}

/// What a look that came to its end leaves.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Sent>,
    pub(crate) parked: Vec<Finding>,
    pub(crate) next: Option<Timestamp>,
    /// Nothing is left to be done or waited for.
    pub(crate) at_rest: bool,
    /// It was no account, and only led to one.
    pub(crate) leads_elsewhere: bool,
    /// Where the customer of the account stands.
    pub(crate) status: Option<(Customer, Status)>,
    /// Where those stand to whom the account belonged before.
    pub(crate) former: Vec<(Customer, Status)>,
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
        other.next.into_iter().for_each(|at| self.look_again(at));
        self.at_rest &= other.at_rest;
    }

    /// What two apps leave of one customer.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let status = self.status.take().zip(other.status.clone());
        self.status = status.map(|((customer, one), (_, another))| (customer, one.and(another)));
        self.add(other);
        self
    }

    pub(crate) fn look_again(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |soonest| soonest.min(at)));
    }
}

impl Sync {
    /// The same for work in bulk, which may use `percent` of the rate limits.
    #[must_use]
    pub fn leaving_room(&self, percent: u32) -> Self {
        let slower = |app: &App| App { adapty: app.adapty.leaving_room(percent), ..app.clone() };
        let (stripe, apps) = (self.stripe.leaving_room(percent), self.apps.iter().map(slower).collect());
        let books = self.books.as_ref().map(|books| books.leaving_room(percent));
        Self { stripe, apps, books, ..self.clone() }
    }

    /// The catalogs of all apps.
    pub(crate) fn catalogs(&self) -> impl Iterator<Item = &Catalog> {
        self.apps.iter().map(|app| &app.rules.catalog)
    }

    /// What a source says of somebody whom it does not know: nothing, wherever an app asks.
    pub(crate) fn nothing_said(&self) -> BTreeMap<String, Fact> {
        let asked = self.apps.iter().flat_map(|app| &app.rules.sourced);
        asked.map(|sourced| (sourced.from.clone(), Fact(String::new()))).collect()
    }

    /// Whether anything is sold once, for any app.
    pub(crate) fn sells_once(&self) -> bool {
        self.catalogs().any(Catalog::sells_once)
    }

    /// Looks at a claimed account and settles its lease.
    pub async fn look(&self, claim: Claim) {
        let began = (self.clock)();
        let outcome = self.try_look(&claim).await;
        telling::looked(&outcome, began, (self.clock)());
        if let Ok(outcome) = &outcome {
            self.tell_parked(&claim.account, &outcome.parked).await;
        }
        let failed = outcome.is_err();
        let Some(settlement) = self.settlement(&claim, outcome) else { return };
        match self.store.settle(settlement).await {
            Ok(Held::Yes) => {}
            Ok(Held::Lost) => {
                tracing::warn!(account.id = %claim.account, "the lease ran out before the look was settled")
            }
            // one failure, one log: without a database neither the look nor its end comes through
            Err(error) if failed => tracing::debug!(account.id = %claim.account, %error, "nor is its end written"),
            Err(error) => telling::unsettled(&claim.account, &error),
        }
    }

    /// Logs what is parked now and was not before: each thing once, however often it is found.
    async fn tell_parked(&self, account: &Account, found: &[Finding]) {
        if found.is_empty() {
            return;
        }
        let known = self.store.parked_for(account).await.unwrap_or_default();
        for finding in found {
            let name = (finding.kind.as_str().to_owned(), finding.subject.clone());
            if !known.contains(&name) {
                telling::parked(account, finding);
            }
        }
    }

    async fn try_look(&self, claim: &Claim) -> Result<Outcome, Trouble> {
        if let Some(outcome) = self.leads_elsewhere(claim).await? {
            return Ok(outcome);
        }
        let mut early = self.early(claim);
        let prepared = tokio::select! {
            prepared = self.prepare(claim) => prepared?,
            never = early.read_on() => match never {},
        };
        let Prepared { customer, billing, former, mut outcome } = match prepared {
            Ok(prepared) => prepared,
            Err(outcome) => return Ok(outcome),
        };
        let served = match self.serve(claim, &customer, &billing, early.of(&customer)).await {
            Err(Trouble::Upstream(failure)) => self.served_nowhere(&customer, &billing, failure).await?,
            served => served?,
        };
        outcome.status = served.status.clone();
        outcome.add(served);
        self.part_with(claim, former, &mut outcome).await?;
        self.tell_books(claim, &customer, &billing, &mut outcome).await?;
        Ok(outcome)
    }

    /// All that comes before the apps are served; or what the look leaves, when nobody is to be served.
    async fn prepare(&self, claim: &Claim) -> Result<Result<Prepared, Outcome>, Trouble> {
        let gathered = self.gather(&claim.account).await?;
        let Some(identity) = gathered.identity else {
            let reason = gathered.contradiction.unwrap_or_else(|| findings::unnamed(&self.sources));
            // what opens nothing in any app concerns nobody
            let ignored = self.catalogs().all(|catalog| catalog.ignores_all(&gathered.billing));
            return Ok(Err(if ignored { Outcome::default() } else { findings::nobody(&claim.account, reason) }));
        };
        if gathered.deleted {
            tracing::info!(account.id = %claim.account, "the customer was deleted at stripe");
        }
        let Around { former, accounts, .. } = self.take(claim, &identity, gathered.around).await?;
        let (outcome, former) = self.hand_over(claim, gathered.billing.mode, former).await?;
        let billing = self.with_other_accounts(gathered.billing, &claim.account, accounts).await?;
        Ok(Ok(Prepared { customer: identity.customer, billing, former, outcome }))
    }

    /// Links the account to its customer, and takes the customer: no other account of theirs is looked at meanwhile.
    /// Answers what is known around the account since then.
    async fn take(&self, claim: &Claim, identity: &Identity, around: Around) -> Result<Around, Trouble> {
        let is_theirs = |link: &Link| link.customer == identity.customer;
        if claim.customer.as_ref() == Some(&identity.customer) && around.link.as_ref().is_some_and(is_theirs) {
            // the claim took the customer with the account
            return Ok(around);
        }
        let Identity { customer, origin } = identity.clone();
        let link = Link { account: claim.account.clone(), customer, origin };
        match self.store.link(link, Some(claim.lease.clone())).await? {
            Linked::Done => Ok(self.store.around(&claim.account).await?),
            Linked::Busy => Err(Trouble::Busy),
            Linked::Lost => Err(Trouble::LeaseLost),
        }
    }

    /// An object that only leads to an account (an invoice, a charge) rings for the account it leads to.
    async fn leads_elsewhere(&self, claim: &Claim) -> Result<Option<Outcome>, Trouble> {
        let object = &claim.account;
        if object.is_of_user() {
            return Ok(None);
        }
        match self.stripe.resolve(object).await? {
            Resolved::Customer(account) | Resolved::Guest(account) if &account == object => return Ok(None),
            Resolved::Customer(account) | Resolved::Guest(account) => {
                let urgency = if claim.is_of_a_bell() { Urgency::Fresh } else { Urgency::Asked };
                self.store.touch(vec![account], urgency).await?;
            }
            Resolved::Nobody(why) => tracing::info!(object.id = %object, "rang for nobody: {why}"),
        }
        Ok(Some(Outcome { leads_elsewhere: true, ..Outcome::default() }))
    }

    /// Ends what former users of the account had through it. A former user with other accounts is left to their looks;
    /// one without is decided for here, billed nothing, until nothing is left to do.
    async fn hand_over(
        &self,
        claim: &Claim,
        mode: Mode,
        formers: Vec<Customer>,
    ) -> Result<(Outcome, Vec<Former>), Trouble> {
        let (mut all, mut served) = (Outcome::default(), Vec::new());
        for former in formers {
            tracing::info!(account.id = %claim.account, "the account changed hands: its former user's access ends");
            let others = self.store.accounts_of(&former).await?;
            if !others.is_empty() {
                self.store.touch(others, Urgency::Asked).await?;
                self.store.handed_over(claim.account.clone(), former).await?;
                continue;
            }
            let billing = Billing { facts: self.nothing_said(), ..Billing::empty(mode) };
            // whoever is forgotten for good is forgotten on what was read
            let readings = self.readings(&former, self.mode.unwrap_or(mode));
            let outcome = match self.serve(claim, &former, &billing, readings).await {
                Ok(outcome) => outcome,
                // whoever has the account now is served all the same
                Err(Trouble::Upstream(failure)) => {
                    self.unserved(claim, "a former user", failure, &mut all);
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            self.close_early(claim, outcome.sent, Vec::new()).await?;
            served.push(Former { customer: former, billing, at_rest: outcome.at_rest });
            all.former.extend(outcome.status);
            let next = outcome.next.filter(|_| !outcome.at_rest);
            // what is not seen of them makes no doubt of whoever has the account now
            all.add(Outcome { sent: Vec::new(), status: None, next, unread: None, ..outcome });
        }
        Ok((all, served))
    }

    /// Tells the books what former users lost, once whoever pays now is served, and forgets those with nothing left.
    async fn part_with(&self, claim: &Claim, formers: Vec<Former>, all: &mut Outcome) -> Result<(), Trouble> {
        for Former { customer, billing, at_rest } in formers {
            let mut outcome = Outcome { at_rest, ..Outcome::default() };
            self.tell_books(claim, &customer, &billing, &mut outcome).await?;
            self.close_early(claim, std::mem::take(&mut outcome.sent), Vec::new()).await?;
            if outcome.at_rest {
                self.store.handed_over(claim.account.clone(), customer).await?;
            }
            let next = outcome.next.filter(|_| !outcome.at_rest);
            all.add(Outcome { next, ..outcome });
        }
        Ok(())
    }

    fn settlement(&self, claim: &Claim, mut outcome: Result<Outcome, Trouble>) -> Option<Settlement> {
        let mut statuses = Vec::new();
        if let Ok(outcome) = &mut outcome {
            statuses.append(&mut outcome.former);
            statuses.extend(outcome.status.take());
        }
        let (sent, ending) = match outcome {
            Ok(outcome) if outcome.leads_elsewhere => (Vec::new(), Ending::Forgotten),
            Ok(Outcome { sent, failure: Some(failure), parked, next, .. }) => {
                (sent, self.failed(claim, &failure, next, parked))
            }
            Ok(Outcome { sent, partly: true, parked, next, unread, .. }) => {
                (sent, Ending::Partly { next, parked, trouble: unread })
            }
            Ok(Outcome { sent, parked, next, .. }) => (sent, Ending::Done { next, parked }),
            Err(Trouble::LeaseLost) => return None,
            Err(Trouble::Busy) => {
                let next = after((self.clock)(), Duration::milliseconds(YIELD));
                (Vec::new(), Ending::Yielded { next })
            }
            Err(Trouble::Store(error)) => {
                telling::unsettled(&claim.account, &error);
                let next = after((self.clock)(), Duration::seconds(1));
                (Vec::new(), Ending::Failed { next, why: error.to_string(), parked: Vec::new() })
            }
            Err(Trouble::Upstream(failure)) => (Vec::new(), self.failed(claim, &failure, None, Vec::new())),
        };
        Some(Settlement {
            account: claim.account.clone(),
            lease: claim.lease.clone(),
            generation: claim.generation,
            sent,
            statuses,
            ending,
        })
    }

    /// `sooner`, `parked`: when what did not fail wants to be looked at, and what it parks.
    fn failed(&self, claim: &Claim, failure: &Failure, sooner: Option<Timestamp>, parked: Vec<Finding>) -> Ending {
        let (now, why) = ((self.clock)(), failure.to_string());
        let jitter = StepKey::stored(claim.account.as_str().to_owned());
        // bells and refused keys may try far more often than the schedule; only time makes a look give up
        let attempts = claim.attempts.saturating_add(1).min(LONGEST_WAIT);
        match retry::after(failure, attempts, &jitter, now) {
            Next::At(next) if failure.class == Class::Credentials || !claim.is_tired(now) => {
                telling::look_failed(&claim.account, failure, next);
                Ending::Failed { next: sooner.map_or(next, |at| at.min(next)), why, parked }
            }
            Next::At(_) | Next::Never => {
                tracing::error!(account.id = %claim.account, error = %why, "a look failed for good and is parked");
                Ending::GivenUp(findings::look_failed(&claim.account, why, failure.class == Class::Missing))
            }
        }
    }
}
