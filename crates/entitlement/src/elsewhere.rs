//! Rights that other stores sold. They renew without anybody ringing here, so time alone makes them worth a look.

use chrono::Duration;

use crate::clock::{Timestamp, after};
use crate::decide::Case;
use crate::plan::{Plan, Step};
use crate::profile::{ActualLevel, BARE};
use crate::reconcile::sync_again_at;
use crate::same::same_chain;

/// How long after its end a right of another store may be told to have renewed, at the latest.
pub const LATE: Duration = Duration::hours(6);

/// Adds to `plan` a look at the end of each right that another store may renew. Where that is not shown yet, looks follow
/// ever more rarely, until [`LATE`].
pub(crate) fn watch(case: &Case, plan: &mut Plan) {
    let renewing = case.profile.levels.iter().filter(|shown| may_renew(shown, case));
    let next = renewing.filter_map(|shown| next_look(shown.until.at()?, case)).min();
    let Some(next) = next else { return };
    plan.waits_for_other_stores_only = plan.sync_again_at.is_none();
    sync_again_at(plan, next);
}

/// Whether `shown` was to renew, and is over for so short a time that its store may not have told of it yet.
pub(crate) fn is_late(shown: &ActualLevel, case: &Case) -> bool {
    let just_over = |end: Timestamp| end <= case.now && case.now < after(end, LATE);
    let renews = shown.will_renew == Some(true) && !shown.billing_issue;
    renews && may_renew(shown, case) && shown.until.at().is_some_and(just_over)
}

/// Whether another store sold `shown`, and nobody says that it ends.
fn may_renew(shown: &ActualLevel, case: &Case) -> bool {
    let is_sold = shown.store.as_ref().is_none_or(|store| *store != case.rules.store && store != BARE.0);
    is_sold && shown.will_renew != Some(false) && !is_ours(shown, case)
}

pub(crate) fn is_ours(shown: &ActualLevel, case: &Case) -> bool {
    case.ledger.about(&shown.level).iter().any(|entry| match &entry.step {
        Step::GrantAccess(grant) => same_chain(shown, grant),
        Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => false,
    })
}

fn next_look(end: Timestamp, case: &Case) -> Option<Timestamp> {
    if end > case.now {
        return Some(end);
    }
    let first = case.rules.policy.lag().clamp(Duration::seconds(1), Duration::hours(1));
    let waits = std::iter::successors(Some(first), |wait| wait.checked_mul(2)).take_while(|wait| *wait <= LATE);
    waits.map(|wait| after(end, wait)).find(|at| *at > case.now)
}
