//! One case in, one plan out.

use crate::case::Case;
use crate::entitle::entitle;
use crate::expected::Expected;
use crate::other_stores;
use crate::overridden::overridden;
use crate::plan::Plan;
use crate::reconcile::{reconcile, settle_visible};
use crate::report::report;
use crate::reported::Reported;
use crate::rules::Protocol;
use crate::set_attributes::set_attributes;

/// What is expected, and the steps that bring the destination there.
///
/// Sales come before the grants that their products may make needless, grants before whatever takes, and attributes last.
#[must_use]
pub fn decide(case: &Case) -> Plan {
    let mut expected = expected(case);
    let mut plan = Plan { sync_again_at: expected.changes_at, ..Plan::default() };
    settle_visible(case, &mut plan);
    let reported = Reported::of(case, &plan);
    let reports = report(case, &expected, &reported, &mut plan);
    if case.rules.protocol == Protocol::SalesOnly {
        // no level and no attribute is known there
        plan.steps = reports.sold.into_iter().chain(reports.over).collect();
        return Plan { expected, ..plan };
    }
    let access = reconcile(case, &expected, &reported, &reports, &mut plan);
    let gives = reports.sold.into_iter().chain(access.grants);
    let takes = reports.over.into_iter().chain(access.revokes);
    plan.steps = gives.chain(takes).collect();
    expected.alarms.extend(set_attributes(case, &mut plan));
    other_stores::watch(case, &mut plan);
    Plan { expected, ..plan }
}

/// What billing gives, with what operators set; where sales alone are known, an operator's grant is no sale.
fn expected(case: &Case) -> Expected {
    let expected = entitle(&case.billing, &case.rules, case.now);
    match case.rules.protocol {
        Protocol::SalesOnly => expected,
        Protocol::AccessWithSale | Protocol::SalesAndAccess | Protocol::AccessOnly => {
            overridden(expected, &case.overrides, case.now)
        }
    }
}
