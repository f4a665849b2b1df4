//! Executes a plan: intend one step, send one request, record its answer, and decide again.

use std::time::Duration;

use chrono::TimeDelta;
use entitlement::access::level::is_visible;
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::clock::{Timestamp, after};
use entitlement::model::failure::{Class, Failure};
use entitlement::model::key::StepKey;
use entitlement::model::ledger::{Entry, State};
use entitlement::model::plan::{Plan, PlannedStep};
use entitlement::model::profile::Profile;
use entitlement::model::step::Step;
use entitlement::retry::{self, Next};
use store::claim::Claim;
use store::record::{Attempt, Fenced, Intent, StepOutcome, StepResult};
use tokio::time::sleep;

use crate::controller::Controller;
use crate::log;
use crate::outcome::SyncError;
use crate::profile_cache::CachedProfile;
use crate::target::{Recipient, Slot};

/// Requests that one sync sends to one destination at the most; what is left then is sent by the next.
const MOST: usize = 16;
/// How soon, at the soonest and at the latest, in seconds, a sync without a slot comes back: most of them find one then.
const WITHOUT_SLOT: [u64; 2] = [30, 600];
/// How often a sync that waits for a destination asks whether its lease still stands.
const LEASE_CHECK: Duration = Duration::from_millis(250);

/// How far executing a plan has come.
pub(crate) struct Executed {
    /// As it is known after the last answer.
    pub(crate) case: Case,
    /// What is left to do.
    pub(crate) plan: Plan,
    /// Answers that are not written yet.
    pub(crate) results: Vec<StepResult>,
    /// When to sync again for what the plan does not know: too many requests, no slot, a lease that ran out.
    pub(crate) due: Option<Timestamp>,
    /// The failure that was the upstream's, after which nothing more is sent: the gate is waited for.
    pub(crate) stopped_by: Option<Failure>,
    /// Whether anything was sent: what the profile shows then was answered, not read.
    pub(crate) has_sent: bool,
    /// The last step, when its answer brought the profile.
    answered: Option<StepKey>,
    /// Whether the destination answered once that it does not know the user.
    was_gone: bool,
}

/// Whether execution goes on after an answer.
enum After {
    Next,
    Stop,
}

/// How a request ended.
enum Answer {
    /// Accepted; with the profile as it shows now, whether that shows the step or not.
    Accepted(Profile),
    Failed(Failure),
    /// The profile is gone: it must be made again first.
    NoProfile,
    /// The lease ran out before it was sent or answered; whoever slept past it must not send what another may have sent, or
    /// taken back, by now.
    LeaseLost,
}

impl Executed {
    fn new(case: Case, plan: Plan) -> Self {
        Self {
            case,
            plan,
            results: Vec::new(),
            due: None,
            stopped_by: None,
            has_sent: false,
            answered: None,
            was_gone: false,
        }
    }

    /// What became of a step: written into the case, and later into the ledger.
    fn add(&mut self, planned: &PlannedStep, outcome: StepOutcome, now: Timestamp) {
        set_state(&mut self.case, &planned.key, state_of(&outcome, planned, now));
        self.results.push(StepResult { key: planned.key.clone(), outcome });
    }
}

impl Controller {
    /// Sends the steps of `plan` one by one, deciding anew after each answer.
    pub(crate) async fn execute(&self, to: Recipient<'_>, case: Case, plan: Plan) -> Result<Executed, SyncError> {
        let mut so_far = Executed::new(case, plan);
        let slot = if so_far.plan.steps.is_empty() { Some(Slot::Unlimited) } else { to.target.slot().await };
        let mut requests = 0;
        while let Some(next) = so_far.plan.steps.first().cloned() {
            if requests == MOST {
                so_far.due = Some((self.clock)());
                break;
            }
            self.intend(to, Some(&next), &mut so_far).await?;
            if slot.is_none() {
                self.defer(&next, &mut so_far);
                break;
            }
            let after = self.send(to, &next, &mut so_far).await;
            requests += 1;
            so_far.plan = decide(&so_far.case);
            if matches!(after, After::Stop) {
                break;
            }
        }
        if so_far.plan.steps.is_empty() && so_far.plan.changes_ledger() {
            self.intend(to, None, &mut so_far).await?;
        }
        self.cache_profile(to, &so_far);
        Ok(so_far)
    }

    /// Writes what became of earlier steps and the intention of the next, in one transaction.
    async fn intend(
        &self,
        to: Recipient<'_>,
        next: Option<&PlannedStep>,
        so_far: &mut Executed,
    ) -> Result<(), SyncError> {
        let intent = Intent {
            account: to.claim.account.clone(),
            user: to.user.clone(),
            lease: to.claim.lease.clone(),
            destination: so_far.case.rules.destination.clone(),
            mode: so_far.case.rules.mode,
            results: std::mem::take(&mut so_far.results),
            steps: next.into_iter().cloned().collect(),
            settled: so_far.plan.settled.clone(),
            dropped: so_far.plan.dropped.clone(),
        };
        match self.store.intend(intent).await? {
            Fenced::Written => {}
            Fenced::LeaseLost => return Err(SyncError::LeaseLost),
        }
        if let Some(next) = next {
            apply_intention(&mut so_far.case, &so_far.plan, next, (self.clock)());
        }
        Ok(())
    }

    /// Sends one step, and records its answer.
    async fn send(&self, to: Recipient<'_>, step: &PlannedStep, so_far: &mut Executed) -> After {
        so_far.has_sent = true;
        let answer = match self.answer(to, &so_far.case.profile, step).await {
            Answer::NoProfile if so_far.was_gone => {
                // it was made again, and is gone again
                Answer::Failed(Failure::new(Class::Permanent, "the destination does not keep the user's profile"))
            }
            answer => answer,
        };
        so_far.answered = matches!(answer, Answer::Accepted(_)).then(|| step.key.clone());
        self.record(to, step, answer, so_far)
    }

    /// Sends one step while the lease stands. Whoever waits for the rate limit may sleep past it, and another sends it then:
    /// so whether it stands is asked first whenever there is something new.
    async fn answer(&self, to: Recipient<'_>, profile: &Profile, planned: &PlannedStep) -> Answer {
        tokio::select! {
            biased;
            () = self.lease_is_lost(to.claim) => Answer::LeaseLost,
            answer = self.request(to, profile, &planned.step) => answer,
        }
    }

    /// Sends one step; makes the profile first when the destination does not know the user.
    async fn request(&self, to: Recipient<'_>, profile: &Profile, step: &Step) -> Answer {
        let Recipient { target, claim, user } = to;
        // to the moment, where the wait for a request to end looks four times a second
        if !profile.exists
            && claim.deadline.is_ahead((self.clock)())
            && let Err(failure) = target.destination.create_profile(user).await
        {
            return Answer::Failed(failure);
        }
        if !claim.deadline.is_ahead((self.clock)()) {
            return Answer::LeaseLost;
        }
        let profile = match target.destination.send(user, step).await {
            Ok(profile) => profile,
            // a user without a profile has no access
            Err(failure) if failure.class == Class::Missing && matches!(step, Step::RevokeAccess(_)) => {
                Profile::absent(user.clone())
            }
            Err(failure) if failure.class == Class::Missing => return Answer::NoProfile,
            Err(failure) => return Answer::Failed(failure),
        };
        if shows(&profile, step, (self.clock)()) {
            return Answer::Accepted(profile);
        }
        // accepted, and the answer does not show it: read it back. The request counts either way.
        Answer::Accepted(target.destination.observe(user).await.unwrap_or(profile))
    }

    /// Records an answer in the case and among the results.
    fn record(&self, to: Recipient<'_>, step: &PlannedStep, answer: Answer, so_far: &mut Executed) -> After {
        let now = (self.clock)();
        so_far.case.now = now;
        match answer {
            Answer::LeaseLost => {
                so_far.due = Some(now);
                After::Stop
            }
            Answer::NoProfile => {
                so_far.was_gone = true;
                so_far.case.profile = Profile::absent(to.user.clone());
                let error = "the profile is gone; it is made again".to_owned();
                so_far.add(step, StepOutcome::Retry { due: now, error, attempt: Attempt::Free }, now);
                After::Next
            }
            Answer::Accepted(profile) => {
                log::confirmed(to, step, now);
                so_far.case.profile = profile;
                so_far.add(step, StepOutcome::Confirmed, now);
                After::Next
            }
            Answer::Failed(failure) => {
                so_far.add(step, failed_step(to, step, &failure, now), now);
                if !failure.waits_for_gate() {
                    return After::Next;
                }
                // the rest would fail alike
                so_far.stopped_by = Some(failure);
                After::Stop
            }
        }
    }

    /// Leaves the step in the ledger for a later sync. Nothing failed, so nothing is counted.
    fn defer(&self, step: &PlannedStep, so_far: &mut Executed) {
        let [soonest, latest] = WITHOUT_SLOT;
        let wait = soonest + step.key.spread(step.attempts, latest - soonest);
        let now = (self.clock)();
        let due = after(now, TimeDelta::seconds(i64::try_from(wait).unwrap_or_default()));
        let error = "waits for others that write to the same destination".to_owned();
        so_far.add(step, StepOutcome::Retry { due, error, attempt: Attempt::Free }, now);
        so_far.due = Some(due);
    }

    /// Comes back when the lease does not stand any more.
    async fn lease_is_lost(&self, claim: &Claim) {
        while claim.deadline.is_ahead((self.clock)()) {
            sleep(LEASE_CHECK).await;
        }
    }

    /// Remembers the profile that the last request left, when nothing is left to do.
    fn cache_profile(&self, to: Recipient<'_>, done: &Executed) {
        let Executed { case, plan, answered, .. } = done;
        let Some(key) = answered.clone().filter(|_| plan.steps.is_empty()) else { return };
        let entry = case.ledger.entries.iter().find(|entry| entry.key == key);
        if entry.is_some_and(|entry| shows(&case.profile, &entry.step, case.now)) {
            let profile = CachedProfile { profile: case.profile.clone(), key, at: case.now };
            self.profile_cache.keep(to.target.name(), profile, case.rules.policy.lag());
        }
    }
}

/// Whether `profile` shows what `step` is to bring.
fn shows(profile: &Profile, step: &Step, now: Timestamp) -> bool {
    let level = match step {
        Step::GrantAccess(grant) => &grant.level,
        Step::RevokeAccess(revoke) => &revoke.level,
        Step::ReportSale(report) => &report.level,
        Step::SetAttributes(_) => return true,
    };
    is_visible(profile.level(level).filter(|actual| actual.runs(now)), step)
}

/// Writes into the case what was written into the ledger: what is settled, dropped, and intended now.
fn apply_intention(case: &mut Case, plan: &Plan, planned: &PlannedStep, now: Timestamp) {
    for key in &plan.settled {
        set_state(case, key, State::Confirmed { at: now });
    }
    for key in &plan.dropped {
        set_state(case, key, State::Dropped { at: now });
    }
    let intended = State::Intended { attempts: planned.attempts, due: now };
    if case.ledger.entries.iter().any(|entry| entry.key == planned.key) {
        set_state(case, &planned.key, intended);
        return;
    }
    let seq = case.ledger.entries.iter().map(|entry| entry.seq).max().unwrap_or(0) + 1;
    case.ledger.entries.push(Entry { seq, key: planned.key.clone(), step: planned.step.clone(), state: intended });
}

fn set_state(case: &mut Case, key: &StepKey, state: State) {
    for entry in case.ledger.entries.iter_mut().filter(|entry| &entry.key == key) {
        entry.state = state.clone();
    }
}

fn state_of(outcome: &StepOutcome, planned: &PlannedStep, now: Timestamp) -> State {
    match outcome {
        StepOutcome::Confirmed => State::Confirmed { at: now },
        StepOutcome::Retry { due, attempt, .. } => {
            let counted = u32::from(*attempt == Attempt::Counted);
            State::Intended { attempts: planned.attempts.saturating_add(counted), due: *due }
        }
        StepOutcome::Refused { error } => State::Refused { at: now, why: error.clone() },
    }
}

fn failed_step(to: Recipient<'_>, planned: &PlannedStep, failure: &Failure, now: Timestamp) -> StepOutcome {
    let error = failure.to_string();
    match retry::after(failure, planned.attempts.saturating_add(1), &planned.key, now) {
        Next::At(due) => {
            log::step_failed(to, planned, failure, due);
            StepOutcome::Retry { due, error, attempt: Attempt::Counted }
        }
        // it is sent as soon as the account is due again
        Next::WhenGateOpens => StepOutcome::Retry { due: now, error, attempt: Attempt::Free },
        Next::Never => {
            log::step_refused(to, planned, failure);
            let error = match failure.class {
                Class::Transient | Class::Credentials | Class::Forbidden | Class::GateClosed => retry::given_up(&error),
                Class::Permanent | Class::Missing => error,
            };
            StepOutcome::Refused { error }
        }
    }
}
