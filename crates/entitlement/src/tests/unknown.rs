//! Unknown is not no.

use super::*;
use crate::model::billing::{Purchase, SoldOn};
use crate::model::expected::Expected;

/// A month that was granted, and what is billed a day later.
fn next_day(sub: Subscription) -> Case {
    later(of(day(3), [first_month()]), day(4), [sub])
}

/// What is said of a level while subscriptions cannot be read.
const NOT_READ: &str = "the user keeps exactly what they have, because grantsync could not read subscriptions; access is \
                        neither taken nor extended until it can be read";

#[test]
fn a_status_newer_than_us_keeps_what_was_granted() {
    let case = next_day(Subscription { status: Status::Unknown("dormant".into()), ..first_month() });
    let sentence = "the user keeps exactly what they have, because `sub_1` has the status `dormant`, which this version \
                    does not know; access is left as it is; update grantsync";
    assert_eq!((steps(&case), notes(&case)), (vec![], vec![sentence.to_owned()]));
    let fresh = of(day(3), case.billing.subscriptions);
    assert_eq!(steps(&fresh), Vec::<String>::new(), "nor does it grant");
}

#[test]
fn a_price_without_a_catalog_entry_keeps_what_was_granted() {
    let mut sub = first_month();
    sub.items[0] = item("si_1", "other", period(0, 30));
    let case = next_day(sub);
    assert_eq!(steps(&case), Vec::<String>::new());
    assert!(notes(&case)[0].contains("is not listed under [[catalog]], so it is not known which level it gives"));
}

#[test]
fn an_unmapped_price_that_is_over_concerns_nobody() {
    let mut sub = Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..first_month() };
    sub.items[0] = item("si_1", "other", period(0, 30));
    assert_eq!(steps(&next_day(sub)), ["revoke premium"]);
}

/// The same, selling also what is meant to give nothing.
fn ignoring(mut case: Case) -> Case {
    case.rules.catalog.0.extend(ignored());
    case
}

#[test]
fn a_price_that_is_ignored_is_no_doubt_and_gives_nothing() {
    let alone = decide(&ignoring(of(day(3), [sub("sub_2", "seat", period(0, 30))])));
    assert_eq!((alone.steps, alone.expected), (vec![], Expected::default()));
    let mut refunded = first_month();
    refunded.invoices[0].money_back = refund(999);
    for (price, taken) in [("seat", 1), ("other", 0)] {
        let beside = sub("sub_2", price, period(0, 30));
        let both = ignoring(of(day(3), [first_month(), beside.clone()]));
        let plan = decide(&later(both, day(4), [refunded.clone(), beside]));
        assert_eq!((plan.steps.len(), plan.expected.unknown.len()), (taken, 1 - taken), "{price}");
    }
}

#[test]
fn an_item_that_is_ignored_leaves_the_others_of_its_subscription_alone() {
    let mut both = first_month();
    both.items.push(item("si_2", "seat", period(0, 30)));
    let case = ignoring(of(day(3), [both]));
    assert_eq!(decide(&case).expected, decide(&of(day(3), [first_month()])).expected);
}

#[test]
fn a_purchase_that_is_ignored_is_no_doubt_and_gives_nothing() {
    let mut case = ignoring(case(day(1)));
    case.billing.purchases.push(purchase("pi_1", "book", day(0)));
    assert_eq!(decide(&case).expected, Expected::default());
}

#[test]
fn nobody_need_be_known_for_what_is_all_ignored() {
    let mut case = ignoring(of(day(3), [sub("sub_1", "seat", period(0, 30))]));
    case.billing.purchases.push(purchase("pi_1", "book", day(0)));
    let catalog = &case.rules.catalog;
    assert!(catalog.ignores_all(&case.billing));
    let mut unread = case.billing.clone();
    unread.gaps.push(Gap { about: About::Chain("sub_2".into()), what: "its items".into() });
    assert!(!catalog.ignores_all(&unread));
    for price in ["month", "other"] {
        let mut billing = case.billing.clone();
        billing.subscriptions[0].items.push(item("si_2", price, period(0, 30)));
        assert!(!catalog.ignores_all(&billing), "{price}");
    }
    let mut fee = case.billing.clone();
    fee.purchases.push(Purchase { sold_on: SoldOn::Invoice, ..purchase("in_1", "setup_fee", day(0)) });
    assert!(catalog.ignores_all(&fee), "a fee on an invoice");
    fee.purchases[1].sold_on = SoldOn::Checkout;
    assert!(!catalog.ignores_all(&fee), "bought in a checkout of its own");
}

#[test]
fn a_gap_keeps_what_was_granted() {
    for about in [About::Everything, About::Chain("sub_1".into())] {
        let mut case = later(of(day(3), [first_month()]), day(4), []);
        case.billing.gaps.push(Gap { about, what: "subscriptions".into() });
        assert_eq!(steps(&case), Vec::<String>::new());
        assert_eq!(notes(&case), [NOT_READ]);
    }
}

#[test]
fn a_gap_of_everything_extends_nothing_either() {
    let mut case = later(of(day(3), [first_month()]), day(30), [second_month(InvoiceStatus::Paid)]);
    case.billing.gaps.push(Gap { about: About::Everything, what: "subscriptions".into() });
    assert_eq!(steps(&case), Vec::<String>::new());
    assert_eq!(notes(&case), [NOT_READ]);
}

#[test]
fn refunds_that_could_not_be_read_only_alarm() {
    let mut case = of(day(3), [first_month()]);
    case.billing.gaps.push(Gap { about: About::MoneyBack, what: "refunds".into() });
    let plan = decide(&case);
    assert_eq!((plan.steps.len(), plan.expected.alarms.len()), (1, 1));
}

#[test]
fn an_invoice_status_newer_than_us_keeps_what_was_granted() {
    for status in [Status::Active, Status::PastDue] {
        let unknown = InvoiceStatus::Unknown("frozen".into());
        let sub = Subscription { status, ..second_month(unknown) };
        let case = later(of(day(31), [second_month(InvoiceStatus::Paid)]), day(32), [sub]);
        assert_eq!((steps(&case), decide(&case).expected.entitlements), (vec![], vec![]));
    }
}

#[test]
fn what_may_be_covered_by_an_unknown_chain_is_not_taken() {
    let ended = Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..first_month() };
    let dormant = Status::Unknown("dormant".into());
    for (price, taken) in [("month", 0), ("gold", 1), ("other", 0)] {
        let status = if price == "other" { Status::Active } else { dormant.clone() };
        let other = Subscription { status, ..sub("sub_2", price, period(4, 34)) };
        let case = later(of(day(3), [first_month()]), day(5), [ended.clone(), other]);
        assert_eq!(steps(&case).len(), taken, "{price}");
    }
}

#[test]
fn an_unknown_chain_shortens_nothing_but_another_may_extend() {
    let unknown = Subscription { status: Status::Unknown("dormant".into()), ..first_month() };
    for (end, taken) in [(20, 0), (30, 1), (40, 1)] {
        let other = sub("sub_2", "month", period(4, end));
        let case = later(of(day(3), [first_month()]), day(5), [unknown.clone(), other]);
        assert_eq!(steps(&case).len(), taken);
    }
}

#[test]
fn simulated_time_counts_only_when_allowed() {
    let mut case = of(day(3), [Subscription { on_test_clock: true, ..first_month() }]);
    let sentence = "`sub_1` is on a test clock of the source, so it gives nothing new and what it gave before stays; count \
                    it with `policy.test_clocks = \"allow\"`";
    assert_eq!((steps(&case), decide(&case).expected.unknown[0].because.to_string()), (vec![], sentence.to_owned()));
    case.rules.policy.test_clocks = TestClocks::Allow;
    assert_eq!(steps(&case).len(), 1);
}

#[test]
fn the_other_mode_changes_nothing() {
    let mut case = next_day(first_month());
    case.billing.mode = Mode::Test;
    assert_eq!((steps(&case), decide(&case).expected.entitlements), (vec![], vec![]));
    let sentence = "the user keeps exactly what they have, because this account is of the other mode (test or live) \
                    than the key of its source, so its access is left as it is";
    assert_eq!(notes(&case), [sentence]);
}

#[test]
fn test_mode_grants_are_sandbox_grants() {
    let mut case = of(day(3), [first_month()]);
    (case.billing.mode, case.rules.mode) = (Mode::Test, Mode::Test);
    let Step::GrantAccess(grant) = decide(&case).steps.remove(0).step else { panic!("a grant") };
    assert!(grant.sandbox);
}
