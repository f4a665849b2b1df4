//! From what is expected to what must be granted and revoked: knows the destination and nothing of billing.

use std::collections::BTreeSet;

use chrono::Duration;

use crate::access::desired::{Desired, Revocation, desired};
use crate::access::level::Level;
use crate::access::other_stores;
use crate::case::Case;
use crate::enqueue::{Enqueued, enqueue};
use crate::equivalence::{Given, shows};
use crate::model::access_level::AccessLevel;
use crate::model::clock::after;
use crate::model::expected::Expected;
use crate::model::key::StepKey;
use crate::model::ledger::{Entry, State};
use crate::model::plan::{Plan, PlannedStep};
use crate::model::reason::Reason;
use crate::model::step::{GrantAccess, Step};
use crate::sales::report::Reports;
use crate::sales::reported::Reported;

/// The grants and revokes that bring the profile to what is expected.
#[derive(Default)]
pub(crate) struct Access {
    pub(crate) grants: Vec<PlannedStep>,
    pub(crate) revokes: Vec<PlannedStep>,
}

/// One level, and what is to be done about it.
struct Decided<'a> {
    level: Level<'a>,
    /// Intentions that show.
    visible: Vec<&'a Entry>,
    last: Option<&'a Entry>,
    desired: Desired,
}

/// Confirms the intentions that the profile shows.
pub(crate) fn settle_visible(case: &Case, plan: &mut Plan) {
    for name in case.ledger.levels() {
        let visible = Level::new(name, case).visible_intentions();
        plan.settled.extend(visible.into_iter().map(|entry| entry.key.clone()));
    }
}

/// Plans what is to be granted and revoked. Grants come before revokes, and what replaces a level is confirmed before that
/// is taken.
pub(crate) fn reconcile(
    case: &Case,
    expected: &Expected,
    reported: &Reported,
    reports: &Reports,
    plan: &mut Plan,
) -> Access {
    let names = levels(case, expected);
    let all: Vec<_> = names.iter().map(|name| decide_level(name, case, expected, reported, reports)).collect();
    let mut access = Access::default();
    let mut unconfirmed = BTreeSet::new();
    for decided in &all {
        unconfirmed.extend(plan_grant(decided, plan, &mut access));
    }
    for decided in &all {
        plan_revoke(decided, expected, &unconfirmed, plan, &mut access);
        other_stores::note_double_subscription(&decided.level, expected, plan);
    }
    access
}

fn levels(case: &Case, expected: &Expected) -> BTreeSet<AccessLevel> {
    let expected = expected.entitlements.iter().map(|right| &right.level);
    expected.chain(case.ledger.levels()).chain(case.ledger.reported_levels()).cloned().collect()
}

fn decide_level<'a>(
    name: &'a AccessLevel,
    case: &'a Case,
    expected: &Expected,
    reported: &Reported,
    reports: &Reports,
) -> Decided<'a> {
    let level = Level::new(name, case);
    let visible = level.visible_intentions();
    let last = level.last_arrived(&visible);
    let desired = desired(&level, expected, reported, reports, last);
    Decided { level, visible, last, desired }
}

/// Plans the grant of a level, where that is desired. Returns the level while its grant is outstanding, so that nothing that
/// it replaces is revoked yet.
fn plan_grant(decided: &Decided<'_>, plan: &mut Plan, access: &mut Access) -> Option<AccessLevel> {
    let name = decided.level.name;
    match &decided.desired {
        Desired::Revoke(..) => return None,
        Desired::Grant(grant, because) => return add_grant(decided, grant, because, plan, access),
        Desired::AfterReport => {
            finish(decided, None, plan);
            return Some(name.clone());
        }
        Desired::Nothing(because) => because.iter().for_each(|because| plan.note(name, because.clone())),
        Desired::Wait(at, because) => {
            plan.note(name, because.clone());
            plan.sync_again_by(*at);
        }
    }
    finish(decided, None, plan);
    None
}

fn add_grant(
    decided: &Decided<'_>,
    grant: &GrantAccess,
    because: &Reason,
    plan: &mut Plan,
    access: &mut Access,
) -> Option<AccessLevel> {
    let enqueued = add(decided, Step::GrantAccess(grant.clone()), because, plan);
    // of what is left to another store nothing expected says when it ends
    grant.until.at().into_iter().for_each(|at| plan.sync_again_by(at));
    finish(decided, Some(enqueued.key()), plan);
    match enqueued {
        Enqueued::Due(planned) => {
            access.grants.push(*planned);
            sync_when_it_is_proved(decided, grant, plan);
            None
        }
        Enqueued::Waits(..) | Enqueued::Refused(..) => Some(grant.level.clone()),
    }
}

/// What is granted because the profile may lag, though it shows just that, is not needed once it cannot.
fn sync_when_it_is_proved(decided: &Decided<'_>, grant: &GrantAccess, plan: &mut Plan) {
    let level = &decided.level;
    if level.actual.is_some_and(|actual| shows(actual, Given::by_grant(grant))) {
        decided.last.and_then(|entry| level.lags_until(entry)).into_iter().for_each(|at| plan.sync_again_by(at));
    }
}

/// Plans the revoke of a level, where that is desired, unless its chain gives another level now that is `unconfirmed`:
/// nothing is taken before what replaces it is there.
fn plan_revoke(
    decided: &Decided<'_>,
    expected: &Expected,
    unconfirmed: &BTreeSet<AccessLevel>,
    plan: &mut Plan,
    access: &mut Access,
) {
    let Desired::Revoke(revocation, because) = &decided.desired else { return };
    if let Some(level) = replacement(revocation, expected, unconfirmed) {
        plan.note(decided.level.name, Reason::WaitsForReplacement { level: level.0.clone() });
        return finish(decided, None, plan);
    }
    let enqueued = add(decided, Step::RevokeAccess(revocation.step.clone()), because, plan);
    finish(decided, Some(enqueued.key()), plan);
    if let Enqueued::Due(planned) = enqueued {
        sync_when_it_runs_out(decided, plan);
        access.revokes.push(*planned);
    }
}

fn replacement<'e>(
    revocation: &Revocation,
    expected: &'e Expected,
    unconfirmed: &BTreeSet<AccessLevel>,
) -> Option<&'e AccessLevel> {
    if revocation.at_once {
        return None;
    }
    let given = expected.entitlements.iter().filter(|right| right.sale.original == revocation.chain);
    given.map(|right| &right.level).find(|level| unconfirmed.contains(*level))
}

fn add(decided: &Decided<'_>, step: Step, because: &Reason, plan: &mut Plan) -> Enqueued {
    let Level { name, case, entries, .. } = &decided.level;
    let enqueued = enqueue(step, because.clone(), entries, decided.last, case, plan);
    enqueued.why_not().into_iter().for_each(|because| plan.note(name, because.clone()));
    enqueued
}

/// Syncs again when the pictures change by themselves, and drops what was intended and is not wanted any more.
fn finish(decided: &Decided<'_>, wanted: Option<&StepKey>, plan: &mut Plan) {
    sync_when_the_profile_caught_up(decided, plan);
    if decided.level.intended().next().is_some() {
        sync_when_it_runs_out(decided, plan);
    }
    drop_unwanted(decided, wanted, plan);
}

fn sync_when_the_profile_caught_up(decided: &Decided<'_>, plan: &mut Plan) {
    let level = &decided.level;
    let shown = level.intended().filter(|entry| level.shows_step(&entry.step)).count();
    let is_doubted = shown > decided.visible.len();
    for entry in &level.entries {
        let is_hidden = decided.last.is_some_and(|last| last.key == entry.key) && !level.shows_step(&entry.step);
        if is_doubted || is_hidden || matches!(entry.state, State::Dropped { .. }) {
            level.lags_until(entry).into_iter().for_each(|at| plan.sync_again_by(at));
        }
    }
}

/// What is shown, or was granted a moment ago, may run out before the step arrives.
fn sync_when_it_runs_out(decided: &Decided<'_>, plan: &mut Plan) {
    let shown = decided.level.actual.and_then(|actual| actual.until.at());
    let granted = decided.last.and_then(|entry| decided.level.recent(entry)).and_then(|given| given.until.at());
    shown.into_iter().chain(granted).for_each(|at| plan.sync_again_by(at));
}

/// What was intended, has not shown up, and is no longer wanted may still arrive: sync again after the lag.
fn drop_unwanted(decided: &Decided<'_>, wanted: Option<&StepKey>, plan: &mut Plan) {
    let mut dropped = Vec::new();
    for entry in decided.level.intended() {
        let is_visible = decided.visible.iter().any(|other| other.key == entry.key);
        if Some(&entry.key) != wanted && !is_visible {
            dropped.push(entry.key.clone());
        }
    }
    if !dropped.is_empty() {
        let lag = decided.level.case.rules.policy.lag().max(Duration::seconds(1));
        plan.sync_again_by(after(decided.level.case.now, lag));
    }
    plan.dropped.extend(dropped);
}
