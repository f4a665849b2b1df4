//! From what is billed to what is expected: knows billing and nothing of destinations.
//!
//! Expiry follows money, not the calendar: a source moves the period before it is paid.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::access::allocation;
use crate::access::coverage::{Coverage, coverage, money_back};
use crate::access::one_time;
use crate::model::access_level::AccessLevel;
use crate::model::billing::{About, Billing, Item, Status, Subscription};
use crate::model::catalog::{Mapped, Offering};
use crate::model::clock::Timestamp;
use crate::model::expected::{Entitlement, Expected, MayGive, Refund, Unknown, Withheld};
use crate::model::reason::Reason;
use crate::model::rules::{Rules, TestClocks};
use crate::model::sale::{Sale, SaleStatus};
use crate::model::until::Until;
use crate::sales::refund::{Effect, Refunds};
use crate::sales::sale_status::{self, Term};
use crate::sales::transaction_ids;
use crate::sorted::{each_once, sorted};

/// Everything that `billing` gives at `now`.
#[must_use]
pub fn entitle(billing: &Billing, rules: &Rules, now: Timestamp) -> Expected {
    let mut expected = Expected::default();
    if billing.mode != rules.mode {
        expected.unknown.push(Unknown { chain: None, may_give: MayGive::Anything, because: Reason::OtherMode });
        return expected;
    }
    let refunds = Refunds::of(billing, &rules.policy);
    gaps(billing, &mut expected);
    for subscription in each_once(&billing.subscriptions, |subscription| &subscription.id) {
        subscribed(subscription, rules, &refunds, now, &mut expected);
    }
    one_time::bought(&billing.purchases, rules, &refunds, &mut expected);
    if rules.protocol.reports_sales() {
        expected.refunded = refunds.sales(billing);
    }
    keep_longest(&mut expected, now);
    expected
}

fn gaps(billing: &Billing, expected: &mut Expected) {
    let mut gaps: Vec<_> = billing.gaps.iter().collect();
    gaps.sort_by_key(|gap| (&gap.what, &gap.about));
    gaps.dedup();
    for gap in gaps {
        let because = Reason::NotRead { what: gap.what.clone() };
        let chain = match &gap.about {
            About::Everything => None,
            About::Chain(chain) => Some(chain.clone()),
            About::MoneyBack => {
                expected.alarms.push(because.clone());
                expected.refunds_unread = Some(because);
                continue;
            }
        };
        expected.unknown.push(Unknown { chain, may_give: MayGive::Anything, because });
    }
}

fn subscribed(subscription: &Subscription, rules: &Rules, refunds: &Refunds, now: Timestamp, expected: &mut Expected) {
    if subscription.on_test_clock && rules.policy.test_clocks == TestClocks::Refuse {
        let because = Reason::SimulatedTime { chain: subscription.id.clone() };
        expected.unknown.push(Unknown { chain: Some(subscription.id.clone()), may_give: MayGive::Nothing, because });
        return;
    }
    for item in sorted(&subscription.items, |item| &item.id) {
        match rules.catalog.of(&item.price, &item.product) {
            Mapped::Gives(offerings) => sold(subscription, item, &offerings, rules, refunds, now, expected),
            Mapped::Ignored => {}
            Mapped::Unmapped => unmapped(subscription, item, expected),
        }
    }
}

fn sold(
    subscription: &Subscription,
    item: &Item,
    offerings: &[&Offering],
    rules: &Rules,
    refunds: &Refunds,
    now: Timestamp,
    expected: &mut Expected,
) {
    let covered = coverage(subscription, item, &rules.policy, refunds, now);
    if let (Coverage::Until { .. }, Effect::StandsBut(because)) = (&covered, money_back(subscription, item, refunds)) {
        expected.alarms.push(because.clone());
    }
    for offering in offerings {
        match &covered {
            Coverage::Until { at, renews, grace, because } => {
                let term = Term { until: *at, renews: *renews, in_grace: *grace };
                let sale = sale(subscription, item, offering, offerings, rules, term);
                let right = right(subscription, offering, sale, term, because);
                expected.entitlements.push(right);
            }
            Coverage::Nothing(refund, because) => {
                let no = Withheld::new(&offering.level, &subscription.id, *refund, because.clone());
                let is_reported = *refund == Refund::Yes && rules.protocol.reports_sales();
                let sale = is_reported.then(|| refunded(subscription, item, offering, offerings, rules));
                expected.withheld.push(Withheld { sale: sale.map(Box::new), ..no });
            }
            Coverage::Unknown(because) => expected.unknown.push(Unknown {
                chain: Some(subscription.id.clone()),
                may_give: MayGive::Level(offering.level.clone()),
                because: because.clone(),
            }),
        }
    }
}

fn sale(
    subscription: &Subscription,
    item: &Item,
    offering: &Offering,
    offerings: &[&Offering],
    rules: &Rules,
    term: Term,
) -> Sale {
    let sale = transaction_ids::of_item(subscription, item, offering, rules);
    let sale = allocation::charged_once(sale, offering, offerings, &item.product, rules.protocol);
    match rules.protocol.reports_sales() {
        true => sale_status::of_item(sale, subscription, item, term),
        false => sale,
    }
}

/// The sale of the running term, whose money went back.
fn refunded(
    subscription: &Subscription,
    item: &Item,
    offering: &Offering,
    offerings: &[&Offering],
    rules: &Rules,
) -> Sale {
    let sale = transaction_ids::of_term(subscription, item, offering, rules);
    let sale = allocation::charged_once(sale, offering, offerings, &item.product, rules.protocol);
    sale_status::of_item(sale, subscription, item, Term { until: item.period.end, renews: false, in_grace: false })
}

fn right(subscription: &Subscription, offering: &Offering, sale: Sale, term: Term, because: &Reason) -> Entitlement {
    Entitlement {
        level: offering.level.clone(),
        until: Until::At(term.until),
        starts_at: Some(subscription.started.unwrap_or(subscription.created)),
        sale,
        will_renew: term.renews,
        in_grace: term.in_grace,
        because: because.clone(),
    }
}

/// An unmapped price may give any level, so it holds what was granted. One that is over concerns nobody.
fn unmapped(subscription: &Subscription, item: &Item, expected: &mut Expected) {
    if matches!(subscription.status, Status::Canceled | Status::IncompleteExpired | Status::Incomplete) {
        return;
    }
    let chain = subscription.id.clone();
    let because =
        Reason::UnmappedPrice { chain: chain.clone(), price: item.price.clone(), product: item.product.clone() };
    expected.unknown.push(Unknown { chain: Some(chain), may_give: MayGive::Anything, because });
}

/// Moves what is over to the withheld, keeps the longest right of each level, and finds when time alone matters.
fn keep_longest(expected: &mut Expected, now: Timestamp) {
    let mut longest: BTreeMap<AccessLevel, Entitlement> = BTreeMap::new();
    for right in std::mem::take(&mut expected.entitlements) {
        if !right.until.is_after(now) {
            expected.withheld.push(over(right));
            continue;
        }
        if let Some(at) = right.until.at() {
            expected.changes_by(at);
        }
        let wins = longest.get(&right.level).is_none_or(|held| rank(&right) > rank(held));
        let shadowed = if wins { longest.insert(right.level.clone(), right) } else { Some(right) };
        expected.shadowed.extend(shadowed.filter(|right| right.sale.status.is_some()));
    }
    expected.shadowed.sort_by_key(|right| (right.level.clone(), right.sale.original.clone()));
    expected.entitlements = longest.into_values().collect();
}

/// The longest right wins; of equal ones the chain with the smaller id, so that the choice is stable.
fn rank(right: &Entitlement) -> (Until, Reverse<(&str, &str)>) {
    (right.until, Reverse((&right.sale.original, &right.sale.base_plan)))
}

fn over(right: Entitlement) -> Withheld {
    let because = match (&right.because, right.until) {
        (Reason::Ended { .. } | Reason::InvoiceNotPaid { .. }, _) | (_, Until::Lifetime) => right.because.clone(),
        (_, Until::At(at)) => Reason::PaidTimeOver { chain: right.sale.original.clone(), at },
    };
    let sale = ended(&right).map(Box::new);
    Withheld { level: right.level, chain: right.sale.original, refund: Refund::No, sale, because }
}

/// The sale of what is over and was a subscription that renews no more; only where sales are reported.
fn ended(right: &Entitlement) -> Option<Sale> {
    let status = right.sale.status.as_ref().filter(|status| !status.renews)?;
    let stopped_at = match right.because {
        Reason::BoughtOnce { .. } => return None,
        // where the source does not say when it ended, the end is the moment of the sync, which is no news at each
        Reason::Ended { .. } => status.stopped_at,
        _ => status.stopped_at.or(right.until.at()),
    };
    let status = SaleStatus { stopped_at, ..(**status).clone() };
    Some(Sale { status: Some(Box::new(status)), ..right.sale.clone() })
}
