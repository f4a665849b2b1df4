//! Books that are told what was sold, and give no levels. They come last in a look: no app waits for them, and where a
//! customer stands does not depend on them.

use std::sync::Arc;

use entitlement::billing::Billing;
use entitlement::decide::{Case, decide};
use entitlement::failure::{Class, Failure};
use entitlement::names::Customer;
use entitlement::orders::Orders;
use entitlement::plan::{Plan, Report, Step};
use entitlement::profile::Profile;
use entitlement::retry::{self, Next};
use entitlement::rules::Rules;
use iaphub::iaphub::Iaphub;
use iaphub::write::Route;
use store::claim::Claim;
use store::record::{Sent, SentOutcome, Tries};
use tokio::sync::Semaphore;

use crate::carry::Served;
use crate::look::{Conduct, LONGEST_WAIT, Outcome, Sync, Trouble};
use crate::{findings, telling};

/// Looks that may wait for the books at a time: they are slow by their own rules (5 requests a second), and every look
/// that waits holds a worker.
const WAITING: usize = 8;

/// IAPHUB, told of what is sold on the web. Clones share their turns.
#[derive(Clone, Debug)]
pub struct Books {
    iaphub: Iaphub,
    route: Route,
    /// All but the mode, when the key does not tell it.
    rules: Rules,
    turns: Arc<Semaphore>,
}

impl Books {
    #[must_use]
    pub fn new(iaphub: Iaphub, route: Route, rules: Rules) -> Self {
        Self { iaphub, route, rules, turns: Arc::new(Semaphore::new(WAITING)) }
    }

    pub(crate) fn leaving_room(&self, percent: u32) -> Self {
        Self { iaphub: self.iaphub.leaving_room(percent), ..self.clone() }
    }
}

impl Sync {
    /// Tells the books, if there are any, what was sold to `customer`, and adds what that leaves to `outcome`.
    pub(crate) async fn tell_books(
        &self,
        claim: &Claim,
        customer: &Customer,
        billing: &Billing,
        outcome: &mut Outcome,
    ) -> Result<(), Trouble> {
        let Some(books) = &self.books else { return Ok(()) };
        let rules = Rules { mode: self.mode.unwrap_or(billing.mode), ..books.rules.clone() };
        let ledger = self.store.ledger(customer, &rules.destination, rules.mode).await?;
        let (billing, profile) = (billing.clone(), Profile::absent(customer.clone()));
        let case = Case { billing, profile, ledger, orders: Orders::default(), rules, now: (self.clock)() };
        let plan = decide(&case);
        telling::planned(&claim.account, &case.rules.destination, &plan, self.conduct);
        outcome.add(findings::of_plan(customer, &plan));
        if self.conduct == Conduct::Observe {
            return Ok(());
        }
        if !plan.steps.is_empty() {
            self.write_first(claim, outcome).await?;
        }
        self.write_down(claim, customer, &case.rules, &plan).await?;
        self.tell_sales(books, Served { name: &case.rules.destination, claim, customer }, &case, &plan, outcome).await;
        Ok(())
    }

    /// What the apps were told is written before the books are, which may be slow to answer.
    async fn write_first(&self, claim: &Claim, outcome: &mut Outcome) -> Result<(), Trouble> {
        // what could not be seen is told with the end of the look, which says so
        let statuses = outcome.status.iter().filter(|_| outcome.unread.is_none()).cloned().collect();
        self.close_early(claim, std::mem::take(&mut outcome.sent), statuses).await
    }

    async fn tell_sales(&self, books: &Books, served: Served<'_>, case: &Case, plan: &Plan, outcome: &mut Outcome) {
        let Served { name, claim, customer } = served;
        let _turn = match books.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => return self.defer(plan, outcome),
        };
        for planned in &plan.steps {
            let Step::Report(report) = &planned.step else { continue };
            // asked right before each write, since each answer may have been slept through
            if !claim.hold.stands((self.clock)()) {
                outcome.at_rest = false;
                outcome.look_again((self.clock)());
                break;
            }
            let answer = books.iaphub.tell(&books.route, customer, report, is_known(case, report)).await;
            let (now, refused_key) = ((self.clock)(), matches!(&answer, Err(of) if of.class == Class::Credentials));
            let became = match answer {
                Ok(()) => {
                    telling::confirmed(claim, name, planned, now);
                    SentOutcome::Confirmed
                }
                Err(failure) => self.failed_step(served, planned, &failure, now, outcome),
            };
            outcome.sent.push(Sent { key: planned.key.clone(), outcome: became });
            if refused_key {
                // the rest would be refused alike; it stands in the ledger and is tried with this one
                break;
            }
        }
    }

    /// Leaves the steps in the ledger for a later look, ever later the longer the others before it take.
    fn defer(&self, plan: &Plan, outcome: &mut Outcome) {
        let now = (self.clock)();
        let why = "waits for its turn: other sales are told first";
        for planned in &plan.steps {
            let waits = Failure::new(Class::Transient, why.to_owned());
            // whatever the tries, nothing failed
            let tries = planned.attempts.saturating_add(1).min(LONGEST_WAIT);
            let Next::At(due) = retry::after(&waits, tries, &planned.key, now) else { continue };
            outcome.look_again(due);
            let again = SentOutcome::Again { due, why: why.to_owned(), tries: Tries::Counted };
            outcome.sent.push(Sent { key: planned.key.clone(), outcome: again });
        }
        outcome.at_rest = false;
    }
}

/// Whether the books were told of its transaction before, as whatever product.
fn is_known(case: &Case, report: &Report) -> bool {
    let told = case.ledger.entries.iter().filter(|entry| entry.confirmed_at().is_some());
    told.filter_map(|entry| match &entry.step {
        Step::Report(told) => Some(told.id()),
        Step::Grant(_) | Step::Revoke(_) | Step::Describe(_) => None,
    })
    .any(|id| id == report.id())
}
