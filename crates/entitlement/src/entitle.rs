//! From what is billed to what is owed: knows billing and nothing of destinations.
//!
//! Expiry follows money, not the calendar: a source moves the period before it is paid.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::billing::{About, Billing, InvoiceReason, InvoiceStatus, Item, MoneyBack, Status, Subscription};
use crate::bought::bought;
use crate::catalog::Mapped;
use crate::clock::Timestamp;
use crate::names::AccessLevel;
use crate::plan::{Entitlement, Expected, MayGive, Refund, RefundedSale, Sale, SaleStatus, Unknown, Until, Withheld};
use crate::reason::Reason;
use crate::refund::{self, Effect};
use crate::rules::{Protocol, Rules, TestClocks};
use crate::sale_ids;
use crate::share;
use crate::worth::{Worth, worth};

/// Everything that is owed for `billing` at `now`.
#[must_use]
pub fn entitle(billing: &Billing, rules: &Rules, now: Timestamp) -> Expected {
    let mut expected = Expected::default();
    if billing.mode != rules.mode {
        expected.unknown.push(Unknown { chain: None, may_give: MayGive::Anything, because: Reason::OtherMode });
        return expected;
    }
    gaps(billing, &mut expected);
    for subscription in each_once(&billing.subscriptions, |subscription| &subscription.id) {
        subscribed(subscription, rules, now, &mut expected);
    }
    bought(&billing.purchases, rules, &mut expected);
    if rules.protocol.keeps_books() {
        expected.refunded = returned(billing, rules);
    }
    settle(&mut expected, now);
    expected
}

/// The payments that went back in full, or in part where that takes a right, in order.
fn returned(billing: &Billing, rules: &Rules) -> Vec<RefundedSale> {
    let judge = |chain: &String, id: &String, payment: &String, total: i64, back: &MoneyBack| match refund::effect(
        payment,
        total,
        back,
        &rules.policy,
    ) {
        Effect::Withheld(Refund::Yes, because) => Some(RefundedSale { chain: chain.clone(), id: id.clone(), because }),
        Effect::Withheld(Refund::No, _) | Effect::Stands | Effect::StandsBut(_) => None,
    };
    let mut returned = Vec::new();
    for of in each_once(&billing.subscriptions, |subscription| &subscription.id) {
        for invoice in ordered(&of.invoices, |invoice| &invoice.id) {
            let is_first = invoice.reason == InvoiceReason::SubscriptionCreate;
            let id = if is_first { &of.id } else { &invoice.id };
            let is_paid = invoice.status == InvoiceStatus::Paid;
            let back = judge(&of.id, id, &invoice.id, invoice.total.minor, &invoice.money_back);
            returned.extend(back.filter(|_| is_paid));
        }
    }
    for of in each_once(&billing.purchases, |purchase| &purchase.id) {
        returned.extend(judge(&of.id, &of.id, &of.id, of.total.minor, &of.money_back));
    }
    returned
}

pub(crate) fn ordered<T>(of: &[T], id: impl Fn(&T) -> &String) -> Vec<&T> {
    let mut all: Vec<_> = of.iter().collect();
    all.sort_by(|a, b| id(a).cmp(id(b)));
    all
}

/// In order; what is billed through two accounts of one customer counts once.
pub(crate) fn each_once<T>(of: &[T], id: impl Fn(&T) -> &String) -> Vec<&T> {
    let mut all = ordered(of, &id);
    all.dedup_by(|a, b| id(a) == id(b));
    all
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

fn subscribed(subscription: &Subscription, rules: &Rules, now: Timestamp, expected: &mut Expected) {
    if subscription.on_test_clock && rules.policy.test_clocks == TestClocks::Refuse {
        let because = Reason::SimulatedTime { chain: subscription.id.clone() };
        expected.unknown.push(Unknown { chain: Some(subscription.id.clone()), may_give: MayGive::Nothing, because });
        return;
    }
    for item in ordered(&subscription.items, |item| &item.id) {
        item_worth(subscription, item, rules, now, expected);
    }
}

fn item_worth(subscription: &Subscription, item: &Item, rules: &Rules, now: Timestamp, expected: &mut Expected) {
    let offerings = match rules.catalog.of(&item.price, &item.product) {
        Mapped::Gives(offerings) => offerings,
        Mapped::Ignored => return,
        Mapped::Unmapped => return unmapped(subscription, item, expected),
    };
    let worth = worth(subscription, item, &rules.policy, &mut expected.alarms, now);
    for offering in &offerings {
        let once = |of| share::once(of, offering, &offerings, &item.product, rules.protocol);
        match &worth {
            Worth::Until { at, renews, grace, because } => expected.owed.push(Entitlement {
                level: offering.level.clone(),
                until: Until::At(*at),
                starts_at: Some(subscription.started.unwrap_or(subscription.created)),
                sale: match rules.protocol {
                    Protocol::AccessWithSale | Protocol::AccessOnly => {
                        once(sale_ids::of_item(subscription, item, offering, rules))
                    }
                    Protocol::SalesAndAccess | Protocol::SalesOnly => {
                        let sale = once(sale_ids::of_item(subscription, item, offering, rules));
                        sale_ids::standing_of_item(sale, subscription, item, *at, *renews, *grace)
                    }
                },
                will_renew: *renews,
                in_grace: *grace,
                because: because.clone(),
            }),
            Worth::Nothing(refund, because) => {
                let refunded = (*refund == Refund::Yes && rules.protocol.keeps_books())
                    .then(|| once(sale_ids::of_term(subscription, item, offering, rules)))
                    .map(|of| sale_ids::standing_of_item(of, subscription, item, item.period.end, false, false));
                let no = withheld(&offering.level, &subscription.id, *refund, because);
                expected.withheld.push(Withheld { refunded: refunded.map(Box::new), ..no });
            }
            Worth::Unsure(because) => expected.unknown.push(Unknown {
                chain: Some(subscription.id.clone()),
                may_give: MayGive::Level(offering.level.clone()),
                because: because.clone(),
            }),
        }
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

pub(crate) fn withheld(level: &AccessLevel, chain: &str, refund: Refund, because: &Reason) -> Withheld {
    let (level, chain, because) = (level.clone(), chain.to_owned(), because.clone());
    Withheld { level, chain, refund, refunded: None, ended: None, because }
}

/// Moves what is over to the withheld, keeps the longest right of each level, and finds when time alone matters.
fn settle(expected: &mut Expected, now: Timestamp) {
    let mut best: BTreeMap<AccessLevel, Entitlement> = BTreeMap::new();
    for right in std::mem::take(&mut expected.owed) {
        if !right.until.is_after(now) {
            expected.withheld.push(over(right));
            continue;
        }
        if let Some(at) = right.until.at() {
            expected.sync_again_at = Some(expected.sync_again_at.map_or(at, |soonest| soonest.min(at)));
        }
        let longer = best.get(&right.level).is_none_or(|held| wins(&right, held));
        let shorter = if longer { best.insert(right.level.clone(), right) } else { Some(right) };
        expected.beside.extend(shorter.filter(|right| right.sale.status.is_some()));
    }
    expected.beside.sort_by_key(|right| (right.level.clone(), right.sale.original.clone()));
    expected.owed = best.into_values().collect();
}

/// The longest right wins; of equal ones the chain with the smaller id, so that the choice is stable.
fn wins(right: &Entitlement, held: &Entitlement) -> bool {
    let rank = |of: &Entitlement| (of.until, Reverse((of.sale.original.clone(), of.sale.base_plan.clone())));
    rank(right) > rank(held)
}

fn over(right: Entitlement) -> Withheld {
    let because = match (&right.because, right.until) {
        (Reason::Ended { .. } | Reason::InvoiceNotPaid { .. }, _) | (_, Until::Lifetime) => right.because.clone(),
        (_, Until::At(at)) => Reason::PaidTimeOver { chain: right.sale.original.clone(), at },
    };
    let ended = ended(&right).map(Box::new);
    let (level, chain) = (right.level, right.sale.original);
    Withheld { level, chain, refund: Refund::No, refunded: None, ended, because }
}

/// The transaction of what is over and was a subscription that renews no more; only where that is told.
fn ended(right: &Entitlement) -> Option<Sale> {
    let status = right.sale.status.as_ref().filter(|status| !status.renews)?;
    if matches!(right.because, Reason::BoughtOnce { .. }) {
        return None;
    }
    let stopped_at = match right.because {
        // where nobody says when it ended, the end is the moment of the look, which is no news at each
        Reason::Ended { .. } => status.stopped_at,
        _ => status.stopped_at.or(right.until.at()),
    };
    let status = SaleStatus { stopped_at, ..(**status).clone() };
    Some(Sale { status: Some(Box::new(status)), ..right.sale.clone() })
}
