//! Books that are told what was sold, and give no levels. They come last in a look: no app waits for them, and where a
//! customer stands does not depend on them.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entitlement::billing::Billing;
use entitlement::clock::after;
use entitlement::decide::{Case, decide};
use entitlement::failure::{Class, Failure};
use entitlement::names::User;
use entitlement::overrides::Overrides;
use entitlement::plan::{Plan, ReportSale, Step};
use entitlement::profile::Profile;
use entitlement::rules::Rules;
use iaphub::iaphub::Iaphub;
use iaphub::write::Route;
use store::claim::Claim;
use store::record::{Attempt, StepOutcome, StepResult};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;
use wire::upstream::Upstream;

use crate::carry::Served;
use crate::controller::{Controller, Outcome, PolicyMode, SyncError};
use crate::{attention, log};

/// Looks that may tell the books at a time: they are slow by their own rules (5 requests a second), and every look that
/// waits for them holds a worker.
const FRESH: usize = 8;
/// The same of work in bulk.
const BULK: usize = 2;
/// How soon, at the soonest and at the latest, a look without a turn comes back: most of them find one then.
const LATER: [u64; 2] = [30, 600];
/// How often a look that waits for an answer asks whether its lease still stands.
const ASKING: Duration = Duration::from_millis(250);

/// IAPHUB, told of what is sold on the web. Clones share their turns.
#[derive(Clone, Debug)]
pub struct Books {
    iaphub: Iaphub,
    route: Route,
    /// All but the mode, when the key does not tell it.
    rules: Rules,
    turns: Arc<Semaphore>,
    waits: Waits,
}

/// Whether a look waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// It comes back later: somebody's grant wants its worker.
    No,
    /// Work in bulk goes as fast as the books take it.
    Yes,
}

impl Books {
    #[must_use]
    pub fn new(iaphub: Iaphub, route: Route, rules: Rules) -> Self {
        Self { iaphub, route, rules, turns: Arc::new(Semaphore::new(FRESH)), waits: Waits::No }
    }

    /// The upstream, for reports.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        self.iaphub.upstream()
    }

    pub(crate) fn with_rate_share(&self, percent: u32) -> Self {
        let (iaphub, turns) = (self.iaphub.with_rate_share(percent), Arc::new(Semaphore::new(BULK)));
        Self { iaphub, turns, waits: Waits::Yes, ..self.clone() }
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        match self.waits {
            Waits::No => self.turns.try_acquire().ok(),
            Waits::Yes => self.turns.acquire().await.ok(),
        }
    }
}

impl Controller {
    /// Tells the books, if there are any, what was sold to `user`, and adds what that leaves to `outcome`.
    pub(crate) async fn tell_books(
        &self,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        outcome: &mut Outcome,
    ) -> Result<(), SyncError> {
        let Some(books) = &self.books else { return Ok(()) };
        match self.tell(books, claim, user, billing, outcome).await {
            Err(SyncError::Store(error)) => {
                // what the apps were told is to be written all the same
                let failure = Failure::new(Class::Transient, format!("telling the transactions at iaphub: {error}"));
                outcome.failure.get_or_insert(failure);
                outcome.at_rest = false;
                Ok(())
            }
            told => told,
        }
    }

    async fn tell(
        &self,
        books: &Books,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        outcome: &mut Outcome,
    ) -> Result<(), SyncError> {
        let rules = Rules { mode: self.mode.unwrap_or(billing.mode), ..books.rules.clone() };
        let ledger = self.store.ledger(user, &rules.destination, rules.mode).await?;
        let (billing, profile) = (billing.clone(), Profile::absent(user.clone()));
        let case = Case { billing, profile, ledger, overrides: Overrides::default(), rules, now: (self.clock)() };
        let plan = decide(&case);
        log::planned(&claim.account, &case.rules.destination, &plan, self.policy_mode);
        outcome.add(attention::of_plan(user, &plan));
        if self.policy_mode == PolicyMode::Observe {
            return Ok(());
        }
        if plan.steps.is_empty() {
            return self.write_down(claim, user, &case.rules, &plan).await;
        }
        self.write_first(claim, outcome).await?;
        self.write_down(claim, user, &case.rules, &plan).await?;
        self.tell_sales(books, Served { name: &case.rules.destination, claim, user }, &case, &plan, outcome).await;
        Ok(())
    }

    /// What the apps were told is written before the books are, which may be slow to answer.
    async fn write_first(&self, claim: &Claim, outcome: &mut Outcome) -> Result<(), SyncError> {
        // what could not be seen is told with the end of the look, which says so
        let statuses = outcome.status.iter().filter(|_| outcome.unread.is_none()).cloned().collect();
        self.close_early(claim, outcome.sent.clone(), statuses).await?;
        outcome.sent.clear();
        Ok(())
    }

    async fn tell_sales(&self, books: &Books, served: Served<'_>, case: &Case, plan: &Plan, outcome: &mut Outcome) {
        let Served { name, claim, user } = served;
        let Some(_turn) = books.turn().await else { return self.defer(plan, outcome) };
        for planned in &plan.steps {
            let Step::ReportSale(report) = &planned.step else { continue };
            let answer = tokio::select! {
                biased;
                // the books may let it wait for longer than the lease stands: then another tells them
                () = self.is_lost(claim) => {
                    outcome.at_rest = false;
                    outcome.sync_again_at((self.clock)());
                    break;
                }
                answer = books.iaphub.tell(&books.route, user, report, is_known(case, report)) => answer,
            };
            let (now, refused_key) = ((self.clock)(), matches!(&answer, Err(of) if of.class == Class::Credentials));
            let became = match answer {
                Ok(()) => {
                    log::confirmed(claim, name, planned, now);
                    StepOutcome::Confirmed
                }
                Err(failure) => self.failed_step(served, planned, &failure, now, outcome),
            };
            outcome.sent.push(StepResult { key: planned.key.clone(), outcome: became });
            if refused_key {
                // the rest would be refused alike; it stands in the ledger and is tried with this one
                break;
            }
        }
    }

    /// Comes back when the lease does not stand any more.
    async fn is_lost(&self, claim: &Claim) {
        while claim.deadline.is_ahead((self.clock)()) {
            sleep(ASKING).await;
        }
    }

    /// Leaves the steps in the ledger for a later look. Nothing failed, so nothing is counted.
    fn defer(&self, plan: &Plan, outcome: &mut Outcome) {
        let [soonest, latest] = LATER;
        for planned in &plan.steps {
            let wait = soonest + planned.key.spread(planned.attempts, latest - soonest);
            let due = after((self.clock)(), TimeDelta::seconds(i64::try_from(wait).unwrap_or_default()));
            outcome.sync_again_at(due);
            let why = "waits for its turn: other sales are told first".to_owned();
            let again = StepOutcome::Retry { due, error: why, attempt: Attempt::Free };
            outcome.sent.push(StepResult { key: planned.key.clone(), outcome: again });
        }
        outcome.at_rest = false;
    }
}

/// Whether the books were told of its transaction before, as whatever product.
fn is_known(case: &Case, report: &ReportSale) -> bool {
    let told = case.ledger.entries.iter().filter(|entry| entry.confirmed_at().is_some());
    told.filter_map(|entry| match &entry.step {
        Step::ReportSale(told) => Some(told.id()),
        Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) => None,
    })
    .any(|id| id == report.id())
}
