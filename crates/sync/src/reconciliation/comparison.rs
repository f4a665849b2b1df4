//! Compares one account: what is expected with what each app shows.

use std::fmt::Display;

use chrono::SecondsFormat;
use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::ledger::Entry;
use entitlement::model::plan::{Note, Plan};
use entitlement::model::reason::Reason;
use entitlement::model::step::Step;
use entitlement::model::until::Until;
use store::worklist::AccountState;

use crate::controller::Controller;
use crate::reconciliation::report::{DoubleSubscription, Drift};
use crate::reconciliation::{COMPARED_AGAIN, LEFT_ALONE};

/// How one account compares, app by app.
pub(super) struct Compared {
    pub(super) apps: Vec<Comparison>,
    pub(super) double_subscriptions: Vec<DoubleSubscription>,
}

/// How one account compares in one app.
pub(super) enum Comparison {
    Same,
    /// It is being worked on, or what was just written does not show yet.
    Unsettled,
    Drifted(Vec<Drift>),
    Failed(String),
}

impl Compared {
    fn only(comparison: Comparison) -> Self {
        Self { apps: vec![comparison], double_subscriptions: Vec::new() }
    }
}

impl Controller {
    pub(super) async fn compare(&self, account: &Account) -> Compared {
        let before = self.store.account_state(account).await;
        let collected = match self.collect(account).await {
            Ok(collected) => collected,
            Err(error) => return Compared::only(failed(account, &error)),
        };
        match (&collected.billing, &collected.user) {
            (Err(failure), _) => return Compared::only(failed(account, failure)),
            // it is parked, or billed nothing
            (Ok(_), Err(_)) => return Compared::only(Comparison::Same),
            (Ok(_), Ok(_)) => {}
        }
        let after = self.store.account_state(account).await;
        let (Ok(before), Ok(after)) = (before, after) else {
            return Compared::only(Comparison::Failed(format!("`{account}`: the database does not answer")));
        };
        let is_changing = is_changing(before.as_ref(), after.as_ref(), (self.clock)());
        let mut compared = Compared { apps: Vec::new(), double_subscriptions: Vec::new() };
        for app in &collected.apps {
            match collected.case(app) {
                Ok(case) => {
                    let plan = decide(&case);
                    compared.double_subscriptions.extend(double_subscriptions(account, &case, &plan));
                    compared.apps.push(self.comparison(account, &case, &plan, is_changing, after.as_ref()));
                }
                Err(failure) => compared.apps.push(failed(account, failure)),
            }
        }
        compared
    }

    fn comparison(
        &self,
        account: &Account,
        case: &Case,
        plan: &Plan,
        is_changing: bool,
        state: Option<&AccountState>,
    ) -> Comparison {
        let drifts = drifts(account, case, plan);
        match drifts.is_empty() {
            true if waits_for_profile(plan) && self.settles_soon(plan, state) => Comparison::Unsettled,
            true => Comparison::Same,
            false if is_changing => Comparison::Unsettled,
            false => Comparison::Drifted(drifts),
        }
    }

    /// Whether what waits can be compared before the reconciliation ends, or becomes due by nothing else.
    fn settles_soon(&self, plan: &Plan, state: Option<&AccountState>) -> bool {
        let end = (self.clock)() + LEFT_ALONE * COMPARED_AGAIN;
        plan.sync_again_at.is_some_and(|at| at <= end) || state.is_none_or(|state| state.due_at.is_none())
    }
}

/// What the plan would change, level by level, and what it would change if it were not refused.
pub(super) fn drifts(account: &Account, case: &Case, plan: &Plan) -> Vec<Drift> {
    let planned = plan.steps.iter().map(|planned| (&planned.step, planned.because.sentence()));
    let refused = plan.refused.iter().map(|refused| (&refused.step, format!("refused: {}", refused.why)));
    planned.chain(refused).map(|(step, reason)| drift(account, case, step, reason)).collect()
}

fn drift(account: &Account, case: &Case, step: &Step, reason: String) -> Drift {
    let actual = step.level().and_then(|level| case.profile.level(level)).filter(|actual| actual.runs(case.now));
    Drift {
        account: account.as_str().to_owned(),
        user: case.profile.user.as_str().to_owned(),
        app: case.rules.destination.clone(),
        level: level_of(step).to_owned(),
        expected_until: match step {
            Step::GrantAccess(grant) => Some(written(grant.until)),
            Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => None,
        },
        actual_until: actual.map(|actual| written(actual.until)),
        since: case.ledger.on(&step.subject()).into_iter().filter_map(Entry::confirmed_at).max(),
        reason,
        action: "reported".to_owned(),
    }
}

/// The level that a step is about; attributes are about none.
fn level_of(step: &Step) -> &str {
    match step {
        Step::GrantAccess(grant) => &grant.level.0,
        Step::RevokeAccess(revoke) => &revoke.level.0,
        Step::ReportSale(report) => &report.level.0,
        Step::SetAttributes(_) => "(attributes)",
    }
}

fn written(until: Until) -> String {
    until.at().map_or_else(|| "lifetime".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn failed(account: &Account, error: &dyn Display) -> Comparison {
    Comparison::Failed(format!("`{account}`: {error}"))
}

/// Whether the account was synced while it was compared, or is about to be.
fn is_changing(before: Option<&AccountState>, after: Option<&AccountState>, now: Timestamp) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return before.is_some() != after.is_some() };
    let is_due = |state: &AccountState| state.leased || state.due_at.is_some_and(|due| due <= now);
    is_due(before) || is_due(after) || before.generation != after.generation || before.settled_at != after.settled_at
}

/// Whether something written, or to be written, does not show yet and cannot be called missing before a while.
fn waits_for_profile(plan: &Plan) -> bool {
    let mut reasons = plan.notes.iter().map(|note| &note.because);
    let is_waiting = |because: &Reason| {
        matches!(because, Reason::WaitsForProfile | Reason::AcceptedButNotShown { .. } | Reason::WaitsForRetry { .. })
    };
    reasons.any(is_waiting)
}

/// What the user pays for twice, as the destination shows it.
fn double_subscriptions<'a>(
    account: &'a Account,
    case: &'a Case,
    plan: &'a Plan,
) -> impl Iterator<Item = DoubleSubscription> + 'a {
    plan.notes.iter().filter_map(|note| double_subscription(account, case, note))
}

fn double_subscription(account: &Account, case: &Case, note: &Note) -> Option<DoubleSubscription> {
    let Reason::PaidTwice { store, .. } = &note.because else { return None };
    Some(DoubleSubscription {
        account: account.as_str().to_owned(),
        user: case.profile.user.as_str().to_owned(),
        level: note.level.0.clone(),
        store: Some(store.clone()),
    })
}
