//! What one-time purchases give.

use std::collections::BTreeMap;

use crate::model::access_level::AccessLevel;
use crate::model::billing::{Purchase, PurchaseLine, PurchaseState};
use crate::model::catalog::{self, Catalog, Mapped, Offering};
use crate::model::clock::{Timestamp, after};
use crate::model::expected::{Entitlement, Expected, MayGive, Refund, Unknown, Withheld};
use crate::model::reason::Reason;
use crate::model::rules::{Rules, TestClocks};
use crate::model::sale::Sale;
use crate::model::until::Until;
use crate::sales::allocation;
use crate::sales::refund::{Effect, Refunds};
use crate::sales::sale_of;
use crate::sales::sale_status;
use crate::sorted::{each_once, sorted};

/// Where the spans bought of one level with one product end so far.
type Spans = BTreeMap<(AccessLevel, String), Timestamp>;

/// One-time purchases: spans of one product follow one another, in the order of payment.
pub fn bought(purchases: &[Purchase], rules: &Rules, refunds: &Refunds, expected: &mut Expected) {
    let mut spans = Spans::new();
    let mut purchases = each_once(purchases, |purchase| &purchase.id);
    purchases.retain(|purchase| concerns_us(purchase, &rules.catalog));
    purchases.sort_by_key(|purchase| paid_at(purchase));
    for purchase in purchases {
        if purchase.on_test_clock && rules.policy.test_clocks == TestClocks::Refuse {
            let because = Reason::SimulatedTime { chain: purchase.id.clone() };
            expected.unknown.push(Unknown { chain: Some(purchase.id.clone()), may_give: MayGive::Nothing, because });
            continue;
        }
        purchased(purchase, rules, refunds, &mut spans, expected);
    }
}

/// On an invoice fees and corrections stand as well, so one of which the catalog lists nothing is no purchase.
fn concerns_us(purchase: &Purchase, catalog: &Catalog) -> bool {
    let is_listed = |line: &PurchaseLine| catalog.of(&line.price, &line.product) != Mapped::Unmapped;
    !purchase.sold_on.is_invoice() || purchase.lines.iter().any(is_listed)
}

fn paid_at(purchase: &Purchase) -> Timestamp {
    match purchase.state {
        PurchaseState::Paid(at) => at,
        PurchaseState::Waiting | PurchaseState::Unknown(_) => purchase.created,
    }
}

fn purchased(purchase: &Purchase, rules: &Rules, refunds: &Refunds, spans: &mut Spans, expected: &mut Expected) {
    for line in sorted(&purchase.lines, |line| &line.price) {
        let offerings = match rules.catalog.of(&line.price, &line.product) {
            Mapped::Gives(offerings) => offerings,
            Mapped::Ignored => continue,
            Mapped::Unmapped if purchase.sold_on.is_invoice() => continue,
            Mapped::Unmapped => {
                expected.unknown.push(unmapped(purchase, line));
                continue;
            }
        };
        for offering in &offerings {
            let Some((term, paid_at)) = paid_term(purchase, line, offering, rules, refunds, expected) else { continue };
            let until = end(term, paid_at, line, offering, spans);
            let sale = sale(purchase, line, offering, &offerings, rules, (paid_at, until));
            expected.entitlements.push(right(purchase, offering, sale, paid_at, until));
        }
    }
}

fn unmapped(purchase: &Purchase, line: &PurchaseLine) -> Unknown {
    let (chain, price, product) = (purchase.id.clone(), line.price.clone(), line.product.clone());
    let because = Reason::UnmappedPrice { chain: chain.clone(), price, product };
    Unknown { chain: Some(chain), may_give: MayGive::Anything, because }
}

/// The term and the moment of payment of a line that gives its level; else adds why not to what is `expected`.
fn paid_term(
    purchase: &Purchase,
    line: &PurchaseLine,
    offering: &Offering,
    rules: &Rules,
    refunds: &Refunds,
    expected: &mut Expected,
) -> Option<(catalog::Term, Timestamp)> {
    match paid_line(purchase, line, offering, refunds) {
        Line::Gives(term, paid_at) => {
            if let Effect::StandsBut(because) = refunds.of_purchase(purchase) {
                expected.alarms.push(because.clone());
            }
            Some((term, paid_at))
        }
        Line::Withheld(refund, because) => {
            let no = Withheld::new(&offering.level, &purchase.id, refund, because);
            let is_reported = refund == Refund::Yes && rules.protocol.reports_sales();
            let sale = is_reported.then(|| refunded(purchase, line, offering, rules)).flatten();
            expected.withheld.push(Withheld { running_sale: sale.map(Box::new), ..no });
            None
        }
        Line::Unknown(because) => {
            let may_give = MayGive::Level(offering.level.clone());
            expected.unknown.push(Unknown { chain: Some(purchase.id.clone()), may_give, because });
            None
        }
    }
}

/// What one line of a purchase does for the level of an offering.
enum Line {
    Gives(catalog::Term, Timestamp),
    Withheld(Refund, Reason),
    Unknown(Reason),
}

fn paid_line(purchase: &Purchase, line: &PurchaseLine, offering: &Offering, refunds: &Refunds) -> Line {
    let chain = purchase.id.clone();
    if line.quantity == 0 {
        return Line::Withheld(Refund::No, Reason::NothingOrdered { chain });
    }
    let Some(term) = offering.term else {
        return Line::Unknown(Reason::NoDuration { payment: chain, price: line.price.clone() });
    };
    let paid_at = match &purchase.state {
        PurchaseState::Paid(at) => *at,
        PurchaseState::Waiting => {
            return Line::Withheld(Refund::No, Reason::NotPaidYet { chain, status: "unpaid".into() });
        }
        PurchaseState::Unknown(status) => {
            return Line::Unknown(Reason::UnknownStatus { chain, status: status.clone() });
        }
    };
    match refunds.of_purchase(purchase) {
        Effect::Stands | Effect::StandsBut(_) => Line::Gives(term, paid_at),
        Effect::Withheld(refund, because) => Line::Withheld(*refund, because.clone()),
    }
}

/// The sale whose money went back, by the catalog of now.
fn refunded(purchase: &Purchase, line: &PurchaseLine, offering: &Offering, rules: &Rules) -> Option<Sale> {
    let Mapped::Gives(offerings) = rules.catalog.of(&line.price, &line.product) else { return None };
    let paid_at = paid_at(purchase);
    let until = offering.term?.span().map_or(Until::Lifetime, |span| Until::At(after(paid_at, span)));
    Some(sale(purchase, line, offering, &offerings, rules, (paid_at, until)))
}

/// When what was bought ends: several passes of one product follow one another.
fn end(term: catalog::Term, paid_at: Timestamp, line: &PurchaseLine, offering: &Offering, spans: &mut Spans) -> Until {
    let Some(span) = term.span() else { return Until::Lifetime };
    let copies = i64::try_from(line.quantity).unwrap_or(i64::MAX);
    let whole = chrono::Duration::try_seconds(span.num_seconds().saturating_mul(copies));
    let end = spans.entry((offering.level.clone(), line.product.clone())).or_insert(paid_at);
    *end = after((*end).max(paid_at), whole.unwrap_or(chrono::Duration::MAX));
    Until::At(*end)
}

fn sale(
    purchase: &Purchase,
    line: &PurchaseLine,
    offering: &Offering,
    offerings: &[&Offering],
    rules: &Rules,
    (paid_at, until): (Timestamp, Until),
) -> Sale {
    let sale = sale_of::purchase(purchase, line, offering, rules);
    let sale = allocation::charged_once(sale, offering, offerings, &line.product, rules.protocol);
    match rules.protocol.reports_sales() {
        true => sale_status::of_purchase(sale, purchase, line, paid_at, until),
        false => sale,
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
