//! From what is billed to what is expected: knows billing and nothing of destinations.
//!
//! Expiry follows money, not the calendar: a source moves the period before it is paid.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::access::coverage::{Coverage, coverage, money_back};
use crate::access::one_time;
use crate::access::price_change;
use crate::model::access_level::AccessLevel;
use crate::model::billing::{About, Billing, Item, Subscription};
use crate::model::catalog::{Mapped, Offering};
use crate::model::clock::Timestamp;
use crate::model::expected::{Entitlement, Expected, MayGive, Refund, Unknown, Withheld};
use crate::model::reason::Reason;
use crate::model::rules::{Rules, TestClocks};
use crate::model::sale::{Sale, SaleStatus};
use crate::model::until::Until;
use crate::sales::allocation;
use crate::sales::refund::{Effect, Refunds};
use crate::sales::sale_of;
use crate::sales::sale_status::{self, Covered};
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
    add_gaps(billing, &mut expected);
    for subscription in each_once(&billing.subscriptions, |subscription| &subscription.id) {
        add_subscription(subscription, rules, &refunds, now, &mut expected);
    }
    one_time::bought(&billing.purchases, rules, &refunds, &mut expected);
    if rules.protocol.reports_sales() {
        expected.refunded = refunds.sales(billing);
    }
    keep_longest(&mut expected, now);
    expected
}

fn add_gaps(billing: &Billing, expected: &mut Expected) {
    let mut gaps: Vec<_> = billing.gaps.iter().collect();
    gaps.sort_by_key(|gap| (&gap.what, &gap.about));
    gaps.dedup();
    for gap in gaps {
        let what = gap.what.clone();
        let chain = match &gap.about {
            About::Everything => None,
            About::Chain(chain) => Some(chain.clone()),
            About::MoneyBack => {
                let because = Reason::MoneyBackNotRead { what };
                expected.alarms.push(because.clone());
                expected.refunds_unread = Some(because);
                continue;
            }
        };
        let because = Reason::NotRead { what };
        expected.unknown.push(Unknown { chain, may_give: MayGive::Anything, because });
    }
}

fn add_subscription(
    subscription: &Subscription,
    rules: &Rules,
    refunds: &Refunds,
    now: Timestamp,
    expected: &mut Expected,
) {
    if subscription.on_test_clock && rules.policy.test_clocks == TestClocks::Refuse {
        let because = Reason::SimulatedTime { chain: subscription.id.clone() };
        expected.unknown.push(Unknown { chain: Some(subscription.id.clone()), may_give: MayGive::Nothing, because });
        return;
    }
    for item in sorted(&subscription.items, |item| &item.id) {
        let coverage = coverage(subscription, item, &rules.policy, refunds, now);
        expected.alarms.extend(alarm(&coverage, subscription, item, rules, refunds));
        add_item(subscription, item, &coverage, rules, now, expected);
    }
    for (item, coverage) in price_change::kept(subscription, rules, refunds) {
        add_item(subscription, &item, &coverage, rules, now, expected);
    }
}

fn add_item(
    subscription: &Subscription,
    item: &Item,
    coverage: &Coverage,
    rules: &Rules,
    now: Timestamp,
    expected: &mut Expected,
) {
    match rules.catalog.of(&item.price, &item.product) {
        Mapped::Gives(offerings) => {
            Sold { subscription, item, offerings: &offerings, rules }.add(coverage, expected);
        }
        Mapped::Ignored => {}
        Mapped::Unmapped => add_unmapped(subscription, item, coverage, now, expected),
    }
}

/// What an operator should know of the money behind an item that is covered, and that gives something.
fn alarm(
    coverage: &Coverage,
    subscription: &Subscription,
    item: &Item,
    rules: &Rules,
    refunds: &Refunds,
) -> Option<Reason> {
    let Mapped::Gives(_) = rules.catalog.of(&item.price, &item.product) else { return None };
    match (coverage, money_back(subscription, item, refunds)) {
        (Coverage::Until(..), Effect::StandsBut(because)) => Some(because.clone()),
        _ => None,
    }
}

/// An item whose price gives levels.
struct Sold<'a> {
    subscription: &'a Subscription,
    item: &'a Item,
    /// What its price gives.
    offerings: &'a [&'a Offering],
    rules: &'a Rules,
}

impl Sold<'_> {
    /// Adds what each of the offerings gives, or why it gives nothing.
    fn add(&self, coverage: &Coverage, expected: &mut Expected) {
        for offering in self.offerings {
            let unpaid_change = self.unpaid_change(offering, coverage);
            match unpaid_change.as_ref().unwrap_or(coverage) {
                Coverage::Until(covered, because) => {
                    let mut right = self.entitlement(offering, *covered, because);
                    if unpaid_change.is_some() && self.rules.protocol.reports_sales() {
                        // what has no price is reported as no sale
                        right.sale.price = None;
                    }
                    expected.entitlements.push(right);
                }
                Coverage::Nothing(refund, because) => {
                    expected.withheld.push(self.withheld(offering, *refund, because));
                }
                Coverage::Unknown(because) => expected.unknown.push(Unknown {
                    chain: Some(self.subscription.id.clone()),
                    may_give: MayGive::Level(offering.level.clone()),
                    because: because.clone(),
                }),
            }
        }
    }

    /// What a change of the price leaves of `coverage`, where it is billed and not paid.
    fn unpaid_change(&self, offering: &Offering, coverage: &Coverage) -> Option<Coverage> {
        let Coverage::Until(..) = coverage else { return None };
        price_change::unpaid_change(self.subscription, self.item, &offering.level, self.rules)
    }

    fn entitlement(&self, offering: &Offering, covered: Covered, because: &Reason) -> Entitlement {
        Entitlement {
            level: offering.level.clone(),
            until: Until::At(covered.until),
            starts_at: Some(self.subscription.started.unwrap_or(self.subscription.created)),
            sale: self.sale(offering, covered),
            will_renew: covered.renews,
            in_grace: covered.unpaid_since.is_some(),
            because: because.clone(),
        }
    }

    fn sale(&self, offering: &Offering, covered: Covered) -> Sale {
        let sale = sale_of::item(self.subscription, self.item, offering, self.rules);
        let sale = self.charged_once(sale, offering);
        match self.rules.protocol.reports_sales() {
            true => sale_status::of_item(sale, self.subscription, self.item, covered),
            false => sale,
        }
    }

    fn withheld(&self, offering: &Offering, refund: Refund, because: &Reason) -> Withheld {
        let is_reported = refund == Refund::Yes && self.rules.protocol.reports_sales();
        let running_sale = is_reported.then(|| Box::new(self.refunded_sale(offering)));
        let no = Withheld::new(&offering.level, &self.subscription.id, refund, because.clone());
        Withheld { running_sale, ..no }
    }

    /// The sale of the running term, whose money went back.
    fn refunded_sale(&self, offering: &Offering) -> Sale {
        let sale = sale_of::running_term(self.subscription, self.item, offering, self.rules);
        let sale = self.charged_once(sale, offering);
        let covered = Covered { until: self.item.period.end, renews: false, unpaid_since: None };
        sale_status::of_item(sale, self.subscription, self.item, covered)
    }

    fn charged_once(&self, sale: Sale, offering: &Offering) -> Sale {
        allocation::charged_once(sale, offering, self.offerings, &self.item.product, self.rules.protocol)
    }
}

/// An unmapped price may give any level, so it holds what was granted, also against a refund. One that can give nothing,
/// since it is over, paused or not paid, holds nothing.
fn add_unmapped(
    subscription: &Subscription,
    item: &Item,
    coverage: &Coverage,
    now: Timestamp,
    expected: &mut Expected,
) {
    match coverage {
        Coverage::Until(covered, _) if covered.until > now => expected.changes_by(covered.until),
        Coverage::Nothing(Refund::Yes, _) | Coverage::Unknown(_) => {}
        Coverage::Until(..) | Coverage::Nothing(Refund::No, _) => return,
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
            expected.withheld.push(withheld_from(right));
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

/// A right that is over, as something that is not given.
fn withheld_from(right: Entitlement) -> Withheld {
    let because = match (&right.because, right.until) {
        (Reason::Ended { .. } | Reason::InvoiceNotPaid { .. }, _) | (_, Until::Lifetime) => right.because.clone(),
        (_, Until::At(at)) => Reason::PaidTimeOver { chain: right.sale.original.clone(), at },
    };
    let running_sale = ended_sale(&right).map(Box::new);
    Withheld { level: right.level, chain: right.sale.original, refund: Refund::No, running_sale, because }
}

/// The sale of what is over and was a subscription that renews no more; only where sales are reported.
fn ended_sale(right: &Entitlement) -> Option<Sale> {
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
