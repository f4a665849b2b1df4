//! What one-time purchases give.

use std::collections::BTreeMap;

use crate::billing::{Purchase, PurchaseLine, PurchaseState};
use crate::catalog::{Mapped, Offering, Term};
use crate::clock::{Timestamp, after};
use crate::entitle::{each_once, ordered, withheld};
use crate::names::AccessLevel;
use crate::plan::{Entitlement, Gives, Refund, Transaction, Unsure, Until, Verdict, Withheld};
use crate::reason::Reason;
use crate::refund::{self, Effect};
use crate::rules::{Rules, TestClocks, Told};
use crate::share;
use crate::transaction;

/// Where the spans bought of one level with one product end so far.
type Runs = BTreeMap<(AccessLevel, String), Timestamp>;

/// One-time purchases: spans of one product follow one another, in the order of payment.
pub fn bought(purchases: &[Purchase], rules: &Rules, verdict: &mut Verdict) {
    let mut runs = Runs::new();
    let mut purchases = each_once(purchases, |purchase| &purchase.id);
    purchases.sort_by_key(|purchase| paid_at(purchase));
    for purchase in purchases {
        if purchase.on_test_clock && rules.policy.test_clocks == TestClocks::Refuse {
            let because = Reason::SimulatedTime { chain: purchase.id.clone() };
            verdict.unsure.push(Unsure { chain: Some(purchase.id.clone()), gives: Gives::Nothing, because });
            continue;
        }
        purchased(purchase, rules, &mut runs, verdict);
    }
}

fn paid_at(purchase: &Purchase) -> Timestamp {
    match purchase.state {
        PurchaseState::Paid(at) => at,
        PurchaseState::Waiting | PurchaseState::Unknown(_) => purchase.created,
    }
}

fn purchased(purchase: &Purchase, rules: &Rules, runs: &mut Runs, verdict: &mut Verdict) {
    for line in ordered(&purchase.lines, |line| &line.price) {
        let offerings = match rules.catalog.of(&line.price, &line.product) {
            Mapped::Gives(offerings) => offerings,
            Mapped::Ignored => continue,
            Mapped::Unmapped => {
                let (chain, price, product) = (purchase.id.clone(), line.price.clone(), line.product.clone());
                let because = Reason::UnmappedPrice { chain: chain.clone(), price, product };
                verdict.unsure.push(Unsure { chain: Some(chain), gives: Gives::Anything, because });
                continue;
            }
        };
        for offering in offerings {
            if let Some((term, paid_at)) = counts(purchase, line, offering, rules, verdict) {
                let until = lasts(term, paid_at, line, offering, runs);
                let transaction = told(purchase, line, offering, rules, (paid_at, until));
                verdict.owed.push(right(purchase, offering, transaction, paid_at, until));
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
    verdict: &mut Verdict,
) -> Option<(Term, Timestamp)> {
    let chain = purchase.id.clone();
    let gives = || Gives::Level(offering.level.clone());
    let unsure = |because| Unsure { chain: Some(chain.clone()), gives: gives(), because };
    if line.quantity == 0 {
        let because = Reason::NothingOrdered { chain: chain.clone() };
        verdict.withheld.push(withheld(&offering.level, &chain, Refund::No, &because));
        return None;
    }
    let Some(term) = offering.term else {
        verdict.unsure.push(unsure(Reason::NoDuration { payment: chain.clone(), price: line.price.clone() }));
        return None;
    };
    let paid_at = match &purchase.state {
        PurchaseState::Paid(at) => *at,
        PurchaseState::Waiting => {
            let because = Reason::NotPaidYet { chain: chain.clone(), status: "unpaid".into() };
            verdict.withheld.push(withheld(&offering.level, &chain, Refund::No, &because));
            return None;
        }
        PurchaseState::Unknown(status) => {
            verdict.unsure.push(unsure(Reason::UnknownStatus { chain: chain.clone(), status: status.clone() }));
            return None;
        }
    };
    match refund::effect(&chain, purchase.total.minor, &purchase.money_back, &rules.policy) {
        Effect::Stands => {}
        Effect::StandsBut(because) => verdict.alarms.push(because),
        Effect::Withheld(refund, because) => {
            let until = term.span().map_or(Until::Lifetime, |span| Until::At(after(paid_at, span)));
            let refunded = (refund == Refund::Yes && rules.told.keeps_books())
                .then(|| Box::new(told(purchase, line, offering, rules, (paid_at, until))));
            let no = withheld(&offering.level, &chain, refund, &because);
            verdict.withheld.push(Withheld { refunded, ..no });
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
) -> Transaction {
    let transaction = transaction::of_purchase(purchase, line, offering, rules);
    let transaction = match rules.catalog.of(&line.price, &line.product) {
        Mapped::Gives(offerings) => share::once(transaction, offering, &offerings, &line.product, rules.told),
        Mapped::Ignored | Mapped::Unmapped => transaction,
    };
    match rules.told {
        Told::Transaction | Told::LevelOnly => transaction,
        Told::Standing | Told::Sales => transaction::standing_of_purchase(transaction, purchase, line, paid_at, until),
    }
}

fn right(
    purchase: &Purchase,
    offering: &Offering,
    transaction: Transaction,
    paid_at: Timestamp,
    until: Until,
) -> Entitlement {
    Entitlement {
        level: offering.level.clone(),
        until,
        starts_at: Some(paid_at),
        transaction,
        will_renew: false,
        in_grace: false,
        because: Reason::BoughtOnce { payment: purchase.id.clone(), until },
    }
}
