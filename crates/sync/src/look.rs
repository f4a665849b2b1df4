//! A look: what happens when an account's turn has come.

use adapty::adapty::Adapty;
use chrono::Duration;
use entitlement::billing::Billing;
use entitlement::clock::{Clock, Timestamp, after};
use entitlement::decide::{Case, decide};
use entitlement::failure::{Class, Failure};
use entitlement::key::StepKey;
use entitlement::names::{Account, Customer};
use entitlement::plan::Plan;
use entitlement::retry::{self, Next};
use entitlement::rules::Rules;
use store::claim::{Claim, Urgency};
use store::error::StoreError;
use store::open::Store;
use store::people::{Link, Linked, OPERATOR};
use store::record::{Ending, Finding, Held, Intent, Sent, Settlement};
use stripe::reader::Stripe;
use stripe::resolve::Resolved;

use crate::gather::{Early, Identity};
use crate::{findings, telling};

/// How long a look waits for another that holds the same customer, in milliseconds.
const YIELD: i64 = 250;

/// Everything a look needs.
#[derive(Clone, Debug)]
pub struct Sync {
    pub store: Store,
    pub stripe: Stripe,
    pub adapty: Adapty,
    pub rules: Rules,
    /// Where an account's app user is looked for, in words.
    pub sources: String,
    pub conduct: Conduct,
    pub clock: Clock,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    Enforce,
    /// Decide and tell; write nothing to a destination.
    Observe,
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

/// What a look that came to its end leaves.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Sent>,
    pub(crate) parked: Vec<Finding>,
    pub(crate) next: Option<Timestamp>,
    /// A step failed and is tried again later.
    pub(crate) pending: bool,
}

impl Outcome {
    pub(crate) fn look_again(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |soonest| soonest.min(at)));
    }
}

impl Sync {
    /// Looks at a claimed account and settles its lease.
    pub async fn look(&self, claim: Claim) {
        let began = (self.clock)();
        let outcome = self.try_look(&claim).await;
        telling::looked(&outcome, began, (self.clock)());
        let Some(settlement) = self.settlement(&claim, outcome) else { return };
        match self.store.settle(settlement).await {
            Ok(Held::Yes) => {}
            Ok(Held::Lost) => {
                tracing::warn!(account.id = %claim.account, "the lease ran out before the look was settled")
            }
            Err(error) => telling::unsettled(&claim.account, &error),
        }
    }

    async fn try_look(&self, claim: &Claim) -> Result<Outcome, Trouble> {
        if let Some(outcome) = self.leads_elsewhere(&claim.account).await? {
            return Ok(outcome);
        }
        let gathered = self.gather(&claim.account, claim.customer.as_ref()).await?;
        let Some(identity) = gathered.identity else {
            return Ok(findings::nobody(&claim.account, &gathered.billing, &self.sources));
        };
        let left_behind = self.change_hands(claim, gathered.before.as_ref(), &identity).await?;
        let link =
            Link { account: claim.account.clone(), customer: identity.customer.clone(), origin: identity.origin };
        let known = gathered.before.as_ref().is_some_and(|before| before.customer == link.customer);
        if !known && self.store.link(link, Some(claim.lease.clone())).await? == Linked::Busy {
            return Err(Trouble::Busy);
        }
        let billing = self.with_other_accounts(gathered.billing, &claim.account, &identity.customer).await?;
        let mut outcome = self.serve(claim, &identity.customer, billing, gathered.early).await?;
        if gathered.deleted {
            tracing::info!(account.id = %claim.account, "the customer was deleted at stripe");
        }
        outcome.parked.extend(left_behind);
        outcome.parked.sort_by(|a, b| (a.kind.as_str(), &a.subject).cmp(&(b.kind.as_str(), &b.subject)));
        Ok(outcome)
    }

    /// An object that only leads to an account (an invoice, a charge) rings for the account it leads to.
    async fn leads_elsewhere(&self, object: &Account) -> Result<Option<Outcome>, Trouble> {
        match self.stripe.resolve(object).await? {
            Resolved::Customer(account) | Resolved::Guest(account) if &account == object => return Ok(None),
            Resolved::Customer(account) | Resolved::Guest(account) => {
                self.store.touch(vec![account], Urgency::Fresh).await?;
            }
            Resolved::Nobody(why) => tracing::info!(object.id = %object, "rang for nobody: {why}"),
        }
        Ok(Some(Outcome::default()))
    }

    /// The account belonged to somebody else before: what they had through it ends first, so that a crash in between
    /// leaves the old link, and the next look does this again.
    async fn change_hands(
        &self,
        claim: &Claim,
        before: Option<&Link>,
        identity: &Identity,
    ) -> Result<Vec<Finding>, Trouble> {
        let Some(before) = before.filter(|link| link.customer != identity.customer && link.origin != OPERATOR) else {
            return Ok(Vec::new());
        };
        tracing::info!(account.id = %claim.account, "the account changed hands: access moves to another user");
        let empty = Billing::empty(self.rules.mode);
        let billing = self.with_other_accounts(empty, &claim.account, &before.customer).await?;
        let outcome = self.serve(claim, &before.customer, billing, None).await?;
        self.close_early(claim, outcome.sent).await?;
        if outcome.pending {
            let what = "access of the account's former user could not be taken back yet";
            return Err(Failure::new(Class::Transient, what).into());
        }
        Ok(outcome.parked)
    }

    /// Decides for one customer and carries the plan out.
    async fn serve(
        &self,
        claim: &Claim,
        customer: &Customer,
        billing: Billing,
        early: Option<Early>,
    ) -> Result<Outcome, Trouble> {
        let early = match early.filter(|early| &early.customer == customer) {
            Some(early) => early,
            None => self.shown_and_told(customer).await?,
        };
        let exists = early.profile.exists;
        let case = Case {
            billing,
            profile: early.profile,
            ledger: early.ledger,
            rules: self.rules.clone(),
            now: (self.clock)(),
        };
        let plan = decide(&case);
        telling::decided(&claim.account, &plan, self.conduct);
        let mut outcome = findings::of_plan(customer, &plan);
        if self.conduct == Conduct::Observe {
            return Ok(outcome);
        }
        self.write_down(claim, customer, &plan).await?;
        self.carry_out(claim, customer, exists, &plan, &mut outcome).await;
        Ok(outcome)
    }

    async fn write_down(&self, claim: &Claim, customer: &Customer, plan: &Plan) -> Result<(), Trouble> {
        if plan.steps.is_empty() && plan.seen.is_empty() && plan.moot.is_empty() {
            return Ok(());
        }
        let intent = Intent {
            account: claim.account.clone(),
            customer: customer.clone(),
            lease: claim.lease.clone(),
            destination: self.rules.destination.clone(),
            mode: self.rules.mode,
            steps: plan.steps.clone(),
            seen: plan.seen.clone(),
            moot: plan.moot.clone(),
        };
        match self.store.intend(intent).await? {
            Held::Yes => Ok(()),
            Held::Lost => Err(Trouble::LeaseLost),
        }
    }

    fn settlement(&self, claim: &Claim, outcome: Result<Outcome, Trouble>) -> Option<Settlement> {
        let (sent, ending) = match outcome {
            Ok(Outcome { sent, parked, next, .. }) => (sent, Ending::Done { next, parked }),
            Err(Trouble::LeaseLost) => return None,
            Err(Trouble::Busy) => {
                let next = after((self.clock)(), Duration::milliseconds(YIELD));
                (Vec::new(), Ending::Yielded { next })
            }
            Err(Trouble::Store(error)) => {
                telling::unsettled(&claim.account, &error);
                let next = after((self.clock)(), Duration::seconds(1));
                (Vec::new(), Ending::Failed { next, why: error.to_string() })
            }
            Err(Trouble::Upstream(failure)) => (Vec::new(), self.failed(claim, &failure)),
        };
        Some(Settlement {
            account: claim.account.clone(),
            lease: claim.lease.clone(),
            generation: claim.generation,
            sent,
            ending,
        })
    }

    fn failed(&self, claim: &Claim, failure: &Failure) -> Ending {
        let jitter = StepKey::stored(claim.account.as_str().to_owned());
        let why = failure.to_string();
        match retry::after(failure, claim.attempts.saturating_add(1), &jitter, (self.clock)()) {
            Next::At(next) => {
                telling::look_failed(&claim.account, failure, next);
                Ending::Failed { next, why }
            }
            Next::Never => {
                tracing::error!(account.id = %claim.account, error = %why, "a look failed for good and is parked");
                let gone = failure.class == Class::Missing;
                Ending::Done { next: None, parked: vec![findings::look_failed(&claim.account, why, gone)] }
            }
        }
    }
}
