//! What one-time purchases give.

use std::collections::BTreeMap;

use crate::billing::{Purchase, PurchaseLine, PurchaseState};
use crate::catalog::{Mapped, Offering, Term};
use crate::clock::{Timestamp, after};
use crate::entitle::{each_once, ordered, withheld};
use crate::names::AccessLevel;
use crate::plan::{Entitlement, Expected, MayGive, Refund, Sale, Unknown, Until, Withheld};
use crate::reason::Reason;
use crate::refund::{self, Effect};
use crate::rules::{Protocol, Rules, TestClocks};
use crate::sale_ids;
use crate::share;

/// Where the spans bought of one level with one product end so far.
type Runs = BTreeMap<(AccessLevel, String), Timestamp>;

/// One-time purchases: spans of one product follow one another, in the order of payment.
pub fn bought(purchases: &[Purchase], rules: &Rules, expected: &mut Expected) {
    let mut runs = Runs::new();
    let mut purchases = each_once(purchases, |purchase| &purchase.id);
    purchases.sort_by_key(|purchase| paid_at(purchase));
    for purchase in purchases {
        if purchase.on_test_clock && rules.policy.test_clocks == TestClocks::Refuse {
            let because = Reason::SimulatedTime { chain: purchase.id.clone() };
            expected.unknown.push(Unknown { chain: Some(purchase.id.clone()), may_give: MayGive::Nothing, because });
            continue;
        }
        purchased(purchase, rules, &mut runs, expected);
    }
}

fn paid_at(purchase: &Purchase) -> Timestamp {
    match purchase.state {
        PurchaseState::Paid(at) => at,
        PurchaseState::Waiting | PurchaseState::Unknown(_) => purchase.created,
    }
}

fn purchased(purchase: &Purchase, rules: &Rules, runs: &mut Runs, expected: &mut Expected) {
    for line in ordered(&purchase.lines, |line| &line.price) {
        let offerings = match rules.catalog.of(&line.price, &line.product) {
            Mapped::Gives(offerings) => offerings,
            Mapped::Ignored => continue,
            Mapped::Unmapped => {
                let (chain, price, product) = (purchase.id.clone(), line.price.clone(), line.product.clone());
                let because = Reason::UnmappedPrice { chain: chain.clone(), price, product };
                expected.unknown.push(Unknown { chain: Some(chain), may_give: MayGive::Anything, because });
                continue;
            }
        };
        for offering in offerings {
            if let Some((term, paid_at)) = counts(purchase, line, offering, rules, expected) {
                let until = lasts(term, paid_at, line, offering, runs);
                let sale = told(purchase, line, offering, rules, (paid_at, until));
                expected.owed.push(right(purchase, offering, sale, paid_at, until));
            }
        }
    }
}

/// The term and the moment of payment of a line that gives its level; else says why not.
fn counts(
    purchase: &Purchase,
    line: &PurchaseLine,
    offering: &Offering,
    rules: &Rules,
    expected: &mut Expected,
) -> Option<(Term, Timestamp)> {
    let chain = purchase.id.clone();
    let may_give = || MayGive::Level(offering.level.clone());
    let unsure = |because| Unknown { chain: Some(chain.clone()), may_give: may_give(), because };
    if line.quantity == 0 {
        let because = Reason::NothingOrdered { chain: chain.clone() };
        expected.withheld.push(withheld(&offering.level, &chain, Refund::No, &because));
        return None;
    }
    let Some(term) = offering.term else {
        expected.unknown.push(unsure(Reason::NoDuration { payment: chain.clone(), price: line.price.clone() }));
        return None;
    };
    let paid_at = match &purchase.state {
        PurchaseState::Paid(at) => *at,
        PurchaseState::Waiting => {
            let because = Reason::NotPaidYet { chain: chain.clone(), status: "unpaid".into() };
            expected.withheld.push(withheld(&offering.level, &chain, Refund::No, &because));
            return None;
        }
        PurchaseState::Unknown(status) => {
            expected.unknown.push(unsure(Reason::UnknownStatus { chain: chain.clone(), status: status.clone() }));
            return None;
        }
    };
    match refund::effect(&chain, purchase.total.minor, &purchase.money_back, &rules.policy) {
        Effect::Stands => {}
        Effect::StandsBut(because) => expected.alarms.push(because),
        Effect::Withheld(refund, because) => {
            let until = term.span().map_or(Until::Lifetime, |span| Until::At(after(paid_at, span)));
            let refunded = (refund == Refund::Yes && rules.protocol.keeps_books())
                .then(|| Box::new(told(purchase, line, offering, rules, (paid_at, until))));
            let no = withheld(&offering.level, &chain, refund, &because);
            expected.withheld.push(Withheld { refunded, ..no });
            return None;
        }
    }
    Some((term, paid_at))
}

/// When what was bought ends: several passes of one product follow one another.
fn lasts(term: Term, paid_at: Timestamp, line: &PurchaseLine, offering: &Offering, runs: &mut Runs) -> Until {
    let Some(span) = term.span() else { return Until::Lifetime };
    let copies = i64::try_from(line.quantity).unwrap_or(i64::MAX);
    let whole = chrono::Duration::try_seconds(span.num_seconds().saturating_mul(copies));
    let run = runs.entry((offering.level.clone(), line.product.clone())).or_insert(paid_at);
    *run = after((*run).max(paid_at), whole.unwrap_or(chrono::Duration::MAX));
    Until::At(*run)
}

/// The transaction, as much of it as the destination is told.
fn told(
    purchase: &Purchase,
    line: &PurchaseLine,
    offering: &Offering,
    rules: &Rules,
    (paid_at, until): (Timestamp, Until),
) -> Sale {
    let sale = sale_ids::of_purchase(purchase, line, offering, rules);
    let sale = match rules.catalog.of(&line.price, &line.product) {
        Mapped::Gives(offerings) => share::once(sale, offering, &offerings, &line.product, rules.protocol),
        Mapped::Ignored | Mapped::Unmapped => sale,
    };
    match rules.protocol {
        Protocol::AccessWithSale | Protocol::AccessOnly => sale,
        Protocol::SalesAndAccess | Protocol::SalesOnly => {
            sale_ids::standing_of_purchase(sale, purchase, line, paid_at, until)
        }
    }
}

fn right(purchase: &Purchase, offering: &Offering, sale: Sale, paid_at: Timestamp, until: Until) -> Entitlement {
    Entitlement {
        level: offering.level.clone(),
        until,
        starts_at: Some(paid_at),
        sale,
        will_renew: false,
        in_grace: false,
        because: Reason::BoughtOnce { payment: purchase.id.clone(), until },
    }
}
