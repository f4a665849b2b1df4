//! Every destination is brought to what is expected for one user.

use std::iter::repeat_with;

use entitlement::access::cached_profile;
use entitlement::access::entitle::entitle;
use entitlement::access::overridden::overridden;
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::billing::Billing;
use entitlement::model::failure::{Class, Failure};
use entitlement::model::overrides::Overrides;
use entitlement::model::plan::Plan;
use entitlement::model::profile::Profile;
use entitlement::model::rules::Rules;
use entitlement::model::user::User;
use entitlement::status::Status;
use futures_util::future::{OptionFuture, join_all};
use store::claim::Claim;
use store::error::StoreError;

use crate::attention;
use crate::controller::{Controller, PolicyMode};
use crate::log;
use crate::outcome::{Gated, Outcome, SyncError};
use crate::read::{self, Picture, Reading};
use crate::target::{Recipient, Target};

impl Controller {
    /// Brings every app to what is expected for one user, each by itself: what one of them cannot do holds up no other.
    pub(crate) async fn sync_destinations(
        &self,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        early: Vec<Reading<'_>>,
    ) -> Result<Outcome, SyncError> {
        let early = early.into_iter().map(Some).chain(repeat_with(|| None));
        let syncs = self.apps.iter().zip(early).map(|(app, early)| self.sync_app(app, claim, user, billing, early));
        let (mut outcomes, mut failures) = (Vec::new(), Vec::new());
        for (app, synced) in self.apps.iter().zip(join_all(syncs).await) {
            match synced {
                Ok(outcome) => outcomes.push(outcome),
                Err(SyncError::Upstream(failure)) => failures.push((app, failure)),
                Err(error) => return Err(error),
            }
        }
        match outcomes.into_iter().reduce(Outcome::and) {
            Some(outcome) => self.with_failures(claim, user, billing, outcome, failures).await,
            None => self.all_failed(user, billing, failures).await,
        }
    }

    /// What a sync leaves that could reach some of the apps.
    async fn with_failures(
        &self,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        mut outcome: Outcome,
        failures: Vec<(&Target, Failure)>,
    ) -> Result<Outcome, SyncError> {
        for (app, failure) in failures {
            let status = self.unobserved_status(app, user, billing).await?;
            outcome.status = outcome.status.take().map(|(user, known)| (user, known.and(status)));
            let whom = format!("app `{}`", app.name());
            outcome.unobserved.get_or_insert_with(|| format!("{whom} could not be synced: {failure}"));
            self.not_synced(claim, &whom, failure, &mut outcome);
        }
        Ok(outcome)
    }

    /// What a sync leaves that could reach no app: what is billed is known all the same.
    async fn all_failed(
        &self,
        user: &User,
        billing: &Billing,
        failures: Vec<(&Target, Failure)>,
    ) -> Result<Outcome, SyncError> {
        let gated = failures.iter().find_map(|(_, failure)| Gated::access(failure));
        let mut own: Vec<Failure> =
            failures.into_iter().map(|(_, failure)| failure).filter(|failure| !failure.waits_for_gate()).collect();
        // what may be tried again is worth more than what may not, be it when a gate opens
        own.sort_by_key(|failure| !failure.may_pass());
        let failure = own.into_iter().next().filter(|failure| gated.is_none() || failure.may_pass());
        let mut status = Status::default();
        for app in &self.apps {
            status = status.and(self.unobserved_status(app, user, billing).await?);
        }
        Ok(Outcome { status: Some((user.clone(), status)), failure, gated, ..Outcome::default() })
    }

    /// What the user has in an app that cannot be observed now: what is expected counts, and what was seen there before.
    pub(crate) async fn unobserved_status(
        &self,
        app: &Target,
        user: &User,
        billing: &Billing,
    ) -> Result<Status, StoreError> {
        let mut seen = self.store.status_of(user).await?.map(|known| known.status).unwrap_or_default();
        let is_only_one = self.apps.len() == 1;
        seen.levels.retain(|level| level.app.as_deref().map_or(is_only_one, |name| name == app.name()));
        if self.policy_mode == PolicyMode::Observe {
            return Ok(seen);
        }
        let (rules, now) = (self.rules_for(app, billing), (self.clock)());
        let overrides = self.store.overrides(user, app.name()).await?;
        let expected = overridden(entitle(billing, &rules, now), &overrides, now);
        Ok(self.named(app, Status::unread(&expected, &rules, seen)))
    }

    /// Notes that `whom` could not be synced, while others were: it is tried again, or parked beside what they leave.
    pub(crate) fn not_synced(&self, claim: &Claim, whom: &str, failure: Failure, outcome: &mut Outcome) {
        outcome.is_settled = false;
        if let Some(gated) = Gated::access(&failure) {
            outcome.wait_for(gated);
            return;
        }
        if failure.may_pass() && !claim.has_exhausted_retries((self.clock)()) {
            outcome.failure.get_or_insert(failure);
            return;
        }
        outcome.is_incomplete = true;
        outcome.attention.push(attention::not_synced(&claim.account, whom, &failure));
    }

    /// Decides for one user of one app, and executes the plan.
    async fn sync_app(
        &self,
        app: &Target,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        early: Option<Reading<'_>>,
    ) -> Result<Outcome, SyncError> {
        let rules = self.rules_for(app, billing);
        let picture = match OptionFuture::from(early.map(read::take)).await.flatten() {
            Some(picture) => picture?,
            None => self.picture(app, claim, user, rules.mode).await?,
        };
        let (case, plan) = self.decided(app, user, billing.clone(), rules, picture).await?;
        log::decided(&claim.account, app.name(), &plan, self.policy_mode);
        if self.policy_mode == PolicyMode::Observe {
            return Ok(self.outcome_of(app, user, &case, &plan));
        }
        let executed = self.execute(Recipient { target: app, claim, user }, case, plan).await?;
        let mut outcome = self.outcome_of(app, user, &executed.case, &executed.plan);
        outcome.results = executed.results;
        executed.due.into_iter().for_each(|at| outcome.due_by(at));
        outcome.is_settled &= executed.due.is_none() && !executed.has_sent;
        executed.stopped_by.as_ref().and_then(Gated::access).into_iter().for_each(|gated| outcome.wait_for(gated));
        Ok(outcome)
    }

    /// What is left after the last decision on an app.
    fn outcome_of(&self, app: &Target, user: &User, case: &Case, plan: &Plan) -> Outcome {
        let status = Status::of(case, plan, self.policy_mode.carried());
        Outcome { status: Some((user.clone(), self.named(app, status))), ..attention::of_plan(user, plan) }
    }

    /// The decision. What is not settled by a profile from the cache is decided for one that is read.
    async fn decided(
        &self,
        app: &Target,
        user: &User,
        billing: Billing,
        rules: Rules,
        picture: Picture,
    ) -> Result<(Case, Plan), Failure> {
        let Picture { profile, ledger, overrides, cached } = picture;
        let mut case = Case { billing, profile, ledger, overrides, rules, now: (self.clock)() };
        let plan = decide(&case);
        let Some(key) = cached else { return Ok((case, plan)) };
        if cached_profile::is_enough(&case, &plan, &key) {
            log::profile_read_saved();
            return Ok((case, plan));
        }
        case.profile = app.destination.observe(user).await?;
        case.now = (self.clock)();
        let plan = decide(&case);
        Ok((case, plan))
    }

    /// Reports sales to the destination that knows sales alone, if there is one. It comes last: no app waits for it, and
    /// what the user has does not depend on it.
    pub(crate) async fn sync_sales(
        &self,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        outcome: &mut Outcome,
    ) -> Result<(), SyncError> {
        let Some(target) = &self.sales else { return Ok(()) };
        match self.report_sales(target, claim, user, billing, outcome).await {
            Err(SyncError::Store(error)) => {
                // what the apps answered is to be written all the same
                let failure = Failure::new(Class::Transient, format!("reporting sales to {}: {error}", target.name()));
                outcome.failure.get_or_insert(failure);
                outcome.is_settled = false;
                Ok(())
            }
            reported => reported,
        }
    }

    async fn report_sales(
        &self,
        target: &Target,
        claim: &Claim,
        user: &User,
        billing: &Billing,
        outcome: &mut Outcome,
    ) -> Result<(), SyncError> {
        let rules = self.rules_for(target, billing);
        let ledger = self.store.ledger(user, &rules.destination, rules.mode).await?;
        let profile = Profile { exists: true, ..Profile::absent(user.clone()) };
        let overrides = Overrides::default();
        let case = Case { billing: billing.clone(), profile, ledger, overrides, rules, now: (self.clock)() };
        let plan = decide(&case);
        log::planned(&claim.account, target.name(), &plan, self.policy_mode);
        if self.policy_mode == PolicyMode::Observe {
            outcome.add(attention::of_plan(user, &plan));
            return Ok(());
        }
        if !plan.steps.is_empty() {
            self.write_progress(claim, outcome).await?;
        }
        let executed = self.execute(Recipient { target, claim, user }, case, plan).await?;
        let mut left = attention::of_plan(user, &executed.plan);
        left.results = executed.results;
        executed.due.into_iter().for_each(|at| left.due_by(at));
        left.is_settled &= executed.due.is_none();
        let upstream = executed.stopped_by.and_then(|failure| failure.upstream);
        upstream.into_iter().for_each(|upstream| left.wait_for(Gated::Sales { upstream }));
        outcome.add(left);
        Ok(())
    }

    /// With several apps, each level says which one it is of.
    pub(crate) fn named(&self, app: &Target, status: Status) -> Status {
        if self.apps.len() > 1 { status.of_app(app.name()) } else { status }
    }

    /// The rules for `target`, in the mode of the key, or of what is billed when the key does not say.
    pub(crate) fn rules_for(&self, target: &Target, billing: &Billing) -> Rules {
        Rules { mode: self.mode.unwrap_or(billing.mode), ..target.rules.clone() }
    }
}
