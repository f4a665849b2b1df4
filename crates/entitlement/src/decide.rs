//! One case in, one plan out.

use crate::access::entitle::entitle;
use crate::access::other_stores;
use crate::access::overridden::overridden;
use crate::access::reconcile::{reconcile, settle_visible};
use crate::case::Case;
use crate::model::expected::Expected;
use crate::model::plan::Plan;
use crate::model::rules::Protocol;
use crate::sales::report::report;
use crate::sales::reported::Reported;
use crate::set_attributes::set_attributes;

/// What is expected, and the steps that bring the destination there.
///
/// In this order: sales, whose answer may already show the level; grants; ends and refunds of sales; revokes; attributes.
#[must_use]
pub fn decide(case: &Case) -> Plan {
    let mut expected = expected(case);
    let mut plan = Plan { sync_again_at: expected.changes_at, ..Plan::default() };
    settle_visible(case, &mut plan);
    let reported = Reported::of(case, &plan);
    let reports = report(case, &expected, &reported, &mut plan);
    if case.rules.protocol == Protocol::SalesOnly {
        // no level and no attribute is known there
        plan.steps = reports.sales.into_iter().chain(reports.closings).collect();
        return Plan { expected, ..plan };
    }
    let access = reconcile(case, &expected, &reported, &reports, &mut plan);
    let gives = reports.sales.into_iter().chain(access.grants);
    let takes = reports.closings.into_iter().chain(access.revokes);
    plan.steps = gives.chain(takes).collect();
    expected.alarms.extend(set_attributes(case, &mut plan));
    other_stores::watch(case, &mut plan);
    Plan { expected, ..plan }
}

/// What billing gives, with what operators set. A destination that keeps sales alone knows no promotional grant and no block:
/// neither is a sale.
fn expected(case: &Case) -> Expected {
    let expected = entitle(&case.billing, &case.rules, case.now);
    match case.rules.protocol {
        Protocol::SalesOnly => expected,
        Protocol::AccessWithSale | Protocol::SalesAndAccess | Protocol::AccessOnly => {
            overridden(expected, &case.overrides, case.now)
        }
    }
}
