//! Rights that other stores sold: never taken, shortened or outlasted, and worth a sync when they may have renewed.

use chrono::Duration;

use crate::access::level::Level;
use crate::case::Case;
use crate::equivalence::{Given, comes_from};
use crate::model::clock::{Timestamp, after};
use crate::model::expected::{Entitlement, Expected};
use crate::model::mode::Mode;
use crate::model::plan::Plan;
use crate::model::profile::{ActualLevel, BARE, StoreSubscription};
use crate::model::reason::Reason;
use crate::model::step::GrantAccess;

/// How long after its end a right of another store may be shown to have renewed, at the latest.
pub const LATE: Duration = Duration::hours(6);

/// Stores whose rights nobody pays for: grants and promotions of the destination itself.
const GIVES_FREE: [&str; 1] = [BARE.0];

/// The store that `actual` comes from.
pub(crate) fn store_of(actual: &ActualLevel) -> String {
    actual.store.clone().unwrap_or_else(|| "another store".into())
}

/// A right that is not ours and lasts at least as long as `grant` needs nothing from us.
pub(crate) fn lasts_longer(level: &Level<'_>, grant: &GrantAccess) -> Option<Reason> {
    let actual = level.actual?;
    let is_ours = comes_from(actual, Given::by_grant(grant), &level.case.profile.sold) || level.is_ours(actual);
    if is_ours || actual.until < grant.until {
        return None;
    }
    Some(Reason::OtherStoreLasts { store: store_of(actual), until: actual.until })
}

/// Notes the store that is paid for the same level beside us.
pub(crate) fn note_double_subscription(level: &Level<'_>, expected: &Expected, plan: &mut Plan) {
    let Some(right) = expected.entitlement(level.name) else { return };
    let because = paid_twice(level, right);
    because.into_iter().for_each(|because| plan.note(level.name, because));
}

fn paid_twice(level: &Level<'_>, right: &Entitlement) -> Option<Reason> {
    let actual = level.actual.filter(|_| !right.sale.is_promotion())?;
    let store = match level.is_ours(actual) {
        true => paid_behind_ours(level)?,
        false => actual.store.as_ref().filter(|store| is_another_paid_store(store, level.case))?,
    };
    Some(Reason::PaidTwice { store: store.clone(), chain: right.sale.original.clone() })
}

fn is_another_paid_store(store: &str, case: &Case) -> bool {
    store != case.rules.store && !GIVES_FREE.contains(&store)
}

/// The store of a subscription that runs and that no level shows, since a longer right of ours stands in front of it. The
/// profile does not say which level it opens: of several that may hide it, the first counts.
fn paid_behind_ours<'a>(level: &Level<'a>) -> Option<&'a String> {
    let case = level.case;
    let hidden = case.profile.sold.iter().find(|sold| is_hidden(sold, case))?;
    let running = case.profile.levels.iter().filter(|actual| actual.runs(case.now));
    let first = running.filter(|actual| may_hide(actual, hidden, case)).map(|actual| &actual.level).min()?;
    (first == level.name).then_some(&hidden.store)
}

fn is_hidden(sold: &StoreSubscription, case: &Case) -> bool {
    let mut running = case.profile.levels.iter().filter(|actual| actual.runs(case.now));
    is_paid(sold, case) && !running.any(|actual| sold.is_shown_by(actual))
}

/// Whether another store's subscription runs, and somebody pays for it.
fn is_paid(sold: &StoreSubscription, case: &Case) -> bool {
    let is_of_mode = sold.sandbox == (case.rules.mode == Mode::Test);
    sold.until.is_after(case.now) && is_of_mode && is_another_paid_store(&sold.store, case)
}

fn may_hide(actual: &ActualLevel, hidden: &StoreSubscription, case: &Case) -> bool {
    let is_elsewhere = actual.store.as_ref().is_some_and(|store| is_another_paid_store(store, case));
    !is_elsewhere && actual.until >= hidden.until
}

/// The subscription of another store that pays for a level of ours as well, and that taking ours would destroy. The profile
/// does not say which level it opens: each of ours that lasts as long is left to it, unless another level shows it.
pub(crate) fn behind_ours<'a>(level: &Level<'a>) -> Option<&'a StoreSubscription> {
    let (case, actual) = (level.case, level.actual?);
    let lasts = case.profile.sold.iter().filter(|sold| is_paid(sold, case) && sold.until <= actual.until);
    lasts.filter(|sold| !is_of_another_level(level, sold)).max_by_key(|sold| sold.until)
}

/// Whether another level shows `sold` with its own end; with an end of ours it may open either.
fn is_of_another_level(level: &Level<'_>, sold: &StoreSubscription) -> bool {
    let mut others = level.case.profile.levels.iter().filter(|actual| actual.level != *level.name);
    others.any(|actual| sold.is_shown_by(actual) && actual.until.is_same_second(sold.until))
}

/// Adds to `plan` a sync at the end of each right that another store may renew, since it renews without a trigger here.
/// Where that is not shown yet, syncs follow ever more rarely, until [`LATE`].
pub(crate) fn watch(case: &Case, plan: &mut Plan) {
    let renewing = case.profile.levels.iter().filter(|actual| may_renew(actual, case));
    let next = renewing.filter_map(|actual| next_sync(actual.until.at()?, case)).min();
    let Some(next) = next else { return };
    plan.waits_for_other_stores_only = plan.sync_again_at.is_none();
    plan.sync_again_by(next);
}

/// Whether `actual` was to renew, and is over for so short a time that its store may not have said so yet.
pub(crate) fn is_late(actual: &ActualLevel, case: &Case) -> bool {
    let is_just_over = |end: Timestamp| end <= case.now && case.now < after(end, LATE);
    let renews = actual.will_renew == Some(true) && !actual.billing_issue;
    renews && may_renew(actual, case) && actual.until.at().is_some_and(is_just_over)
}

/// Whether another store sold `actual`, and nobody says that it ends.
fn may_renew(actual: &ActualLevel, case: &Case) -> bool {
    let is_sold = actual.store.as_ref().is_none_or(|store| *store != case.rules.store && store != BARE.0);
    is_sold && actual.will_renew != Some(false) && !is_ours(actual, case)
}

/// Whether `actual` comes from something that we sent.
pub(crate) fn is_ours(actual: &ActualLevel, case: &Case) -> bool {
    Level::new(&actual.level, case).is_ours(actual)
}

fn next_sync(end: Timestamp, case: &Case) -> Option<Timestamp> {
    if end > case.now {
        return Some(end);
    }
    let first = case.rules.policy.lag().clamp(Duration::seconds(1), Duration::hours(1));
    let waits = std::iter::successors(Some(first), |wait| wait.checked_mul(2)).take_while(|wait| *wait <= LATE);
    waits.map(|wait| after(end, wait)).find(|at| *at > case.now)
}
