//! Carries a plan out, step by step.

use entitlement::clock::{Timestamp, after};
use entitlement::failure::{Class, Failure};
use entitlement::names::User;
use entitlement::plan::{Plan, PlannedStep, Step};
use entitlement::profile::Profile;
use entitlement::retry::{self, Next};
use entitlement::same::arrived;
use entitlement::status::Status;
use store::claim::Claim;
use store::record::{Attempt, Fenced, Progress, StepOutcome, StepResult};

use crate::controller::{App, Controller, Outcome, SyncError};
use crate::recent::Left;
use crate::{attention, log};

/// Whom steps are sent for, where, and under which claim.
#[derive(Clone, Copy)]
pub(crate) struct Served<'a> {
    /// The destination's name.
    pub(crate) name: &'a str,
    pub(crate) claim: &'a Claim,
    pub(crate) user: &'a User,
}

impl Controller {
    /// Sends the steps of `plan`, each of which stands in the ledger by now.
    pub(crate) async fn carry_out(
        &self,
        app: &App,
        served: Served<'_>,
        exists: bool,
        plan: &Plan,
        outcome: &mut Outcome,
    ) {
        let mut exists = exists;
        let mut left = None;
        for planned in &plan.steps {
            let Some(answer) = self.send(app, served, planned, &mut exists).await.transpose() else {
                outcome.at_rest = false;
                outcome.sync_again_at((self.clock)());
                break;
            };
            let refused_key = matches!(&answer, Err(failure) if failure.class == Class::Credentials);
            left = answer.as_ref().ok().map(|profile| (profile.clone(), planned.key.clone()));
            self.note(app, served, planned, answer, outcome);
            if refused_key {
                // the rest would be refused alike; it stands in the ledger and is tried with this one
                break;
            }
        }
        let Some((profile, key)) = left else { return };
        let (at, lag) = ((self.clock)(), app.rules.policy.lag());
        if plan.steps.iter().all(|planned| visible(&profile, &planned.step, at)) {
            self.recent.keep(app.name(), Left { profile, key, at }, lag);
        }
    }

    /// Sends one step; makes the profile first when the destination does not know the customer. `None` when the lease
    /// ran out: whoever slept past it must not send what another may have sent, or taken back, by now.
    async fn send(
        &self,
        app: &App,
        served: Served<'_>,
        planned: &PlannedStep,
        exists: &mut bool,
    ) -> Result<Option<Profile>, Failure> {
        let Served { claim, user, .. } = served;
        // asked right before each write, since each answer may have been slept through
        let is_ours = || claim.deadline.is_ahead((self.clock)());
        if !*exists && is_ours() {
            *exists = app.adapty.create(user).await?.exists;
        }
        if !is_ours() {
            return Ok(None);
        }
        let answer = match app.adapty.carry_out(user, &planned.step, is_ours).await {
            Err(failure) if failure.class == Class::Missing && !matches!(planned.step, Step::RevokeAccess(_)) => {
                // it was there when we read it; someone deleted it in between
                app.adapty.create(user).await?;
                if !is_ours() {
                    return Ok(None);
                }
                app.adapty.carry_out(user, &planned.step, is_ours).await?
            }
            // whom nobody knows holds nothing
            Err(failure) if failure.class == Class::Missing => Some(Profile::absent(user.clone())),
            answer => answer?,
        };
        let Some(answer) = answer else { return Ok(None) };
        if visible(&answer, &planned.step, (self.clock)()) {
            return Ok(Some(answer));
        }
        // accepted, and the answer does not show it: read it back. The write counts either way.
        Ok(Some(app.adapty.profile(user).await.unwrap_or(answer)))
    }

    fn note(
        &self,
        app: &App,
        served: Served<'_>,
        planned: &PlannedStep,
        answer: Result<Profile, Failure>,
        outcome: &mut Outcome,
    ) {
        let now = (self.clock)();
        let sent = match answer {
            Ok(profile) => {
                log::confirmed(served.claim, served.name, planned, now);
                if !visible(&profile, &planned.step, now) {
                    outcome.at_rest = false;
                    outcome.sync_again_at(after(now, app.rules.policy.lag()));
                }
                StepOutcome::Confirmed
            }
            Err(failure) => self.failed_step(served, planned, &failure, now, outcome),
        };
        outcome.sent.push(StepResult { key: planned.key.clone(), outcome: sent });
    }

    pub(crate) fn failed_step(
        &self,
        served: Served<'_>,
        planned: &PlannedStep,
        failure: &Failure,
        now: Timestamp,
        outcome: &mut Outcome,
    ) -> StepOutcome {
        let (Served { name, claim, user }, why) = (served, failure.to_string());
        match retry::after(failure, planned.attempts.saturating_add(1), &planned.key, now) {
            Next::At(due) => {
                log::step_failed(claim, name, planned, failure, due);
                outcome.sync_again_at(due);
                outcome.at_rest = false;
                let attempt = if failure.class == Class::Credentials { Attempt::Free } else { Attempt::Counted };
                StepOutcome::Retry { due, error: why, attempt }
            }
            Next::Never => {
                log::step_refused(claim, name, planned, failure);
                outcome.at_rest = false;
                outcome.parked.push(attention::refused(user, &planned.key, &planned.step, &why));
                StepOutcome::Refused { error: why }
            }
        }
    }

    /// Writes outcomes, and where customers stand, before the look ends, under the same lease.
    pub(crate) async fn close_early(
        &self,
        claim: &Claim,
        sent: Vec<StepResult>,
        statuses: Vec<(User, Status)>,
    ) -> Result<(), SyncError> {
        if sent.is_empty() && statuses.is_empty() {
            return Ok(());
        }
        let progress = Progress { account: claim.account.clone(), lease: claim.lease.clone(), results: sent, statuses };
        match self.store.record_progress(progress).await? {
            Fenced::Written => Ok(()),
            Fenced::LeaseLost => Err(SyncError::LeaseLost),
        }
    }
}

/// Whether the answer already shows what the step asked for.
fn visible(profile: &Profile, step: &Step, now: Timestamp) -> bool {
    let shown = step.level().and_then(|level| profile.level(level));
    arrived(shown.filter(|shown| shown.runs(now)), step)
}
