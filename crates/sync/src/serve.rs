//! Serving: every app is brought to where it should be for one customer.

use std::iter::repeat_with;

use entitlement::billing::Billing;
use entitlement::decide::{Case, decide};
use entitlement::entitle::entitle;
use entitlement::failure::{Class, Failure};
use entitlement::names::User;
use entitlement::plan::Plan;
use entitlement::recalled;
use entitlement::rules::Rules;
use entitlement::status::Status;
use futures_util::future::{OptionFuture, join_all};
use store::claim::Claim;
use store::error::StoreError;
use store::record::{Fenced, Intent};

use crate::carry::Served;
use crate::controller::{App, Controller, Outcome, PolicyMode, SyncError};
use crate::read::{self, Pictures, Reading, Sight};
use crate::{attention, log};

impl Controller {
    /// Brings every app to where it should be for one customer, each by itself: what one of them cannot do holds up no
    /// other.
    pub(crate) async fn serve(
        &self,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        early: Vec<Reading<'_>>,
    ) -> Result<Outcome, SyncError> {
        let early = early.into_iter().map(Some).chain(repeat_with(|| None));
        let served = self.apps.iter().zip(early).map(|(app, early)| self.serve_app(app, claim, user, billing, early));
        let (mut outcomes, mut failures) = (Vec::new(), Vec::new());
        for (app, served) in self.apps.iter().zip(join_all(served).await) {
            match served {
                Ok(outcome) => outcomes.push(outcome),
                Err(SyncError::Upstream(failure)) => failures.push((app, failure)),
                Err(trouble) => return Err(trouble),
            }
        }
        let Some(mut all) = outcomes.into_iter().reduce(Outcome::and) else {
            // what may be tried again is worth more than what may not
            failures.sort_by_key(|(_, failure)| !is_passing(failure));
            let first = failures.into_iter().next().map(|(_, failure)| failure);
            return first.map_or_else(|| Ok(Outcome::default()), |failure| Err(failure.into()));
        };
        for (app, failure) in failures {
            let unread = self.unread(app, user, billing).await?;
            all.status = all.status.take().map(|(user, status)| (user, status.and(unread)));
            let whom = format!("app `{}`", app.name());
            all.unread.get_or_insert_with(|| format!("{whom} could not be served: {failure}"));
            self.unserved(claim, &whom, failure, &mut all);
        }
        Ok(all)
    }

    /// What a look leaves that could serve no app: what is billed is known all the same.
    pub(crate) async fn served_nowhere(
        &self,
        user: &User,
        billing: &Billing,
        failure: Failure,
    ) -> Result<Outcome, SyncError> {
        let mut status = Status::default();
        for app in &self.apps {
            status = status.and(self.unread(app, user, billing).await?);
        }
        let (status, failure) = (Some((user.clone(), status)), Some(failure));
        Ok(Outcome { status, failure, ..Outcome::default() })
    }

    /// Where the customer stands in an app that cannot be read now: what is owed counts, and what was seen there before.
    pub(crate) async fn unread(&self, app: &App, user: &User, billing: &Billing) -> Result<Status, StoreError> {
        let mut seen = self.store.status_of(user).await?.map(|known| known.status).unwrap_or_default();
        let alone = self.apps.len() == 1;
        seen.levels.retain(|level| level.app.as_deref().map_or(alone, |name| name == app.name()));
        if self.policy_mode == PolicyMode::Observe {
            return Ok(seen);
        }
        let (rules, now) = (self.rules_for(app, billing), (self.clock)());
        let overrides = self.store.overrides(user, app.name()).await?;
        let expected = overrides.applied(entitle(billing, &rules, now), now);
        Ok(self.named(app, Status::unread(&expected, &rules, seen)))
    }

    /// Notes that `whom` could not be served, while others were: it is tried again, or parked beside what they leave.
    pub(crate) fn unserved(&self, claim: &Claim, whom: &str, failure: Failure, outcome: &mut Outcome) {
        outcome.at_rest = false;
        if is_passing(&failure) && (failure.class == Class::Credentials || !claim.has_exhausted_retries((self.clock)()))
        {
            outcome.failure.get_or_insert(failure);
            return;
        }
        outcome.partly = true;
        outcome.parked.push(attention::unserved(&claim.account, whom, &failure));
    }

    /// Decides for one customer of one app, and carries the plan out.
    async fn serve_app(
        &self,
        app: &App,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        early: Option<Reading<'_>>,
    ) -> Result<Outcome, SyncError> {
        let rules = self.rules_for(app, billing);
        let early = OptionFuture::from(early.map(read::read)).await.flatten();
        let pictures = match early {
            Some(early) => early?,
            None => self.recalled_or_read(app, claim, user, rules.mode).await?,
        };
        let (case, plan) = self.decided(app, user, billing.clone(), rules, pictures).await?;
        log::decided(&claim.account, app.name(), &plan, self.policy_mode);
        let mut outcome = attention::of_plan(user, &plan);
        let status = Status::of(&case, &plan, self.policy_mode.carried());
        outcome.status = Some((user.clone(), self.named(app, status)));
        if self.policy_mode == PolicyMode::Observe {
            return Ok(outcome);
        }
        self.write_down(claim, user, &case.rules, &plan).await?;
        let served = Served { name: app.name(), claim, user };
        self.carry_out(app, served, case.profile.exists, &plan, &mut outcome).await;
        Ok(outcome)
    }

    /// The decision. What is not settled by a profile that is only remembered is decided for one that is read.
    async fn decided(
        &self,
        app: &App,
        user: &User,
        billing: Billing,
        rules: Rules,
        pictures: Pictures,
    ) -> Result<(Case, Plan), Failure> {
        let Pictures { profile, ledger, overrides, sight } = pictures;
        let mut case = Case { billing, profile, ledger, overrides, rules, now: (self.clock)() };
        let plan = decide(&case);
        let Sight::Recalled(key) = sight else { return Ok((case, plan)) };
        if recalled::holds_unread(&case, &plan, &key) {
            log::recalled();
            return Ok((case, plan));
        }
        case.profile = app.adapty.profile(user).await?;
        case.now = (self.clock)();
        let plan = decide(&case);
        Ok((case, plan))
    }

    /// With several apps, each level says which one it is of.
    pub(crate) fn named(&self, app: &App, status: Status) -> Status {
        if self.apps.len() > 1 { status.of_app(app.name()) } else { status }
    }

    /// The rules for `app`, in the mode of the key, or of what is billed when the key does not tell.
    pub(crate) fn rules_for(&self, app: &App, billing: &Billing) -> Rules {
        Rules { mode: self.mode.unwrap_or(billing.mode), ..app.rules.clone() }
    }

    pub(crate) async fn write_down(
        &self,
        claim: &Claim,
        user: &User,
        rules: &Rules,
        plan: &Plan,
    ) -> Result<(), SyncError> {
        if plan.steps.is_empty() && plan.settled.is_empty() && plan.dropped.is_empty() {
            return Ok(());
        }
        let intent = Intent {
            account: claim.account.clone(),
            user: user.clone(),
            lease: claim.lease.clone(),
            destination: rules.destination.clone(),
            mode: rules.mode,
            results: Vec::new(),
            steps: plan.steps.clone(),
            settled: plan.settled.clone(),
            dropped: plan.dropped.clone(),
        };
        match self.store.intend(intent).await? {
            Fenced::Written => Ok(()),
            Fenced::LeaseLost => Err(SyncError::LeaseLost),
        }
    }
}

/// Whether another try may help.
fn is_passing(failure: &Failure) -> bool {
    matches!(failure.class, Class::Transient | Class::Credentials)
}
