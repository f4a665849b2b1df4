//! What is reported to a destination that keeps sales alone: every sale, its refund and its end.

use super::*;
use crate::model::access_level::AccessLevel;
use crate::model::overrides::{Block, PromotionalGrant};
use crate::model::rules::Protocol;
use crate::model::step::SaleEvent;

fn sales(case: Case) -> Case {
    let mut case = case;
    (case.rules.protocol, case.rules.destination) = (Protocol::SalesOnly, "iaphub".into());
    (case.profile.levels, case.profile.exists) = (vec![], false);
    case
}

/// What is reported now; after it nothing is left to report.
fn reports(case: &Case) -> Vec<String> {
    let mut after = case.clone();
    carry_out(&mut after);
    let left = decide(&after);
    assert_eq!((left.steps, left.dropped), (vec![], vec![]));
    steps(case)
}

fn canceled(sub: Subscription, at: i64) -> Subscription {
    Subscription { status: Status::Canceled, ended_at: Some(day(at)), ..sub }
}

fn stops(sub: Subscription) -> Subscription {
    Subscription { stops_at_period_end: true, canceled_at: Some(day(4)), ..sub }
}

fn refunded(sub: Subscription) -> Subscription {
    let mut sub = sub;
    sub.invoices.iter_mut().for_each(|invoice| invoice.money_back = refund(999));
    sub
}

/// A second paid month as another product.
fn other_product(id: &str) -> Subscription {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.items[0] = item("si_1", "year", period(30, 60));
    sub.invoices[1] = invoice(id, InvoiceReason::SubscriptionCycle, InvoiceStatus::Paid, "year", period(30, 60));
    sub
}

fn ended_at(case: &Case) -> SaleEvent {
    let Step::ReportSale(report) = &decide(case).steps[0].step else { panic!("a report") };
    report.event
}

#[test]
fn a_sale_and_each_renewal_are_reported_and_no_level_is() {
    let case = sales(of(day(3), [first_month()]));
    assert_eq!(reports(&case), ["report sub_1"]);
    let renewed = later(case, day(30) + hours(1), [second_month(InvoiceStatus::Paid)]);
    assert_eq!(reports(&renewed), ["report in_2"], "the former goes on in it");
    let life = sales(case_of_life());
    assert_eq!(reports(&life), ["report pi_1"]);
}

fn case_of_life() -> Case {
    let mut case = case(day(3));
    case.billing.purchases.push(purchase("pi_1", "life", day(2)));
    case
}

#[test]
fn a_cancellation_changes_its_sale_and_the_end_is_reported_once_it_came() {
    let case = later(sales(of(day(3), [first_month()])), day(5), [stops(first_month())]);
    assert_eq!(reports(&case), ["report sub_1"]);
    let over = later(case, day(31), [canceled(stops(first_month()), 30)]);
    assert_eq!(reports(&over), ["report sub_1 as ended"]);
    assert_eq!(ended_at(&over), SaleEvent::Ended(day(30)), "as it was reported");
}

#[test]
fn an_end_before_its_time_is_reported_of_the_last_sale_of_the_chain() {
    let case = later(sales(of(day(3), [first_month()])), day(30) + hours(1), [second_month(InvoiceStatus::Paid)]);
    let case = later(case, day(40), [canceled(second_month(InvoiceStatus::Paid), 39)]);
    assert_eq!(reports(&case), ["report in_2 as ended"]);
    assert_eq!(ended_at(&case), SaleEvent::Ended(day(39)), "when it did, not when we synced");
    assert!(decide(&case).steps[0].because.to_string().contains("ended"), "{:?}", decide(&case).steps);
}

#[test]
fn grace_is_reported_and_that_it_ran_out() {
    let unpaid = || Subscription { status: Status::PastDue, ..second_month(InvoiceStatus::Open) };
    let case = later(sales(of(day(3), [first_month()])), day(31), [unpaid()]);
    assert_eq!(reports(&case), ["report sub_1"]);
    let over = later(case, day(40), [unpaid()]);
    assert_eq!(
        (reports(&over), ended_at(&over)),
        (vec!["report sub_1 as ended".to_owned()], SaleEvent::Ended(day(33)))
    );
    let paid = later(over, day(41), [second_month(InvoiceStatus::Paid)]);
    assert_eq!(reports(&paid), ["report in_2"]);
}

#[test]
fn a_refund_is_reported_as_such_and_as_no_end_beside() {
    let case = later(sales(of(day(3), [first_month()])), day(5), [refunded(first_month())]);
    assert_eq!(reports(&case), ["report sub_1 as refund"]);
    let over = later(case.clone(), day(6), [canceled(refunded(first_month()), 6)]);
    assert_eq!(reports(&over), [""; 0]);
    assert_eq!(reports(&later(case, day(6), [first_month()])), ["report sub_1"], "a refund that failed after all");
    assert_eq!(reports(&sales(of(day(3), [refunded(first_month())]))), [""; 0], "what was never reported is no refund");
}

#[test]
fn what_was_reported_as_refunded_is_not_reported_as_sold_while_refunds_cannot_be_read() {
    let mut case = later(sales(of(day(3), [first_month()])), day(5), [refunded(first_month())]);
    carry_out(&mut case);
    case.billing.subscriptions = vec![first_month()];
    case.billing.gaps.push(Gap { about: About::MoneyBack, what: "its refunds".into() });
    assert_eq!(reports(&case), [""; 0]);
}

#[test]
fn what_is_unknown_has_no_end() {
    let over = |about: Option<About>| {
        let mut case = later(sales(of(day(3), [first_month()])), day(5), [canceled(first_month(), 4)]);
        case.billing.gaps.extend(about.map(|about| Gap { about, what: "half of it".into() }));
        case
    };
    assert_eq!(reports(&over(None)), ["report sub_1 as ended"]);
    assert_eq!(reports(&over(Some(About::Everything))), [""; 0]);
    assert_eq!(reports(&over(Some(About::Chain("sub_1".into())))), [""; 0]);
    let unknown = Subscription { status: Status::Unknown("dormant".into()), ..first_month() };
    assert_eq!(reports(&later(sales(of(day(3), [first_month()])), day(5), [unknown])), [""; 0]);
}

#[test]
fn what_is_not_billed_any_more_has_ended_once() {
    let gone = later(sales(of(day(3), [first_month()])), day(5), []);
    assert_eq!(reports(&gone), ["report sub_1 as ended"]);
    let back = later(gone, day(6), [first_month()]);
    assert_eq!(reports(&back), ["report sub_1"]);
}

#[test]
fn another_product_ends_the_former_unless_it_goes_on_under_its_id() {
    let case = later(sales(of(day(3), [first_month()])), day(30) + hours(1), [other_product("in_2")]);
    assert_eq!(reports(&case), ["report in_2", "report sub_1 as ended"]);
    let mut renamed = later(sales(of(day(3), [first_month()])), day(5), [first_month()]);
    renamed.billing.subscriptions[0].items[0] = item("si_1", "year", period(0, 30));
    renamed.billing.subscriptions[0].invoices[0].lines[0].product = Some("prod_year".into());
    assert_eq!(reports(&renamed), ["report sub_1"], "one id has one report");
}

#[test]
fn an_override_is_no_sale() {
    let mut case = sales(of(day(3), [first_month()]));
    let promotion = |level: AccessLevel| PromotionalGrant {
        id: "promo_1".into(),
        level,
        until: Until::Lifetime,
        by: "ops".into(),
        why: String::new(),
        ended: false,
    };
    case.overrides.promotions = vec![promotion(level("premium")), promotion(level("gold"))];
    case.overrides.blocks = vec![Block { level: level("premium"), by: "ops".into(), why: String::new() }];
    assert_eq!(reports(&case), ["report sub_1"]);
}

#[test]
fn an_end_that_failed_waits_under_its_key_and_is_dropped_when_the_sale_goes_on() {
    let mut case = later(sales(of(day(3), [first_month()])), day(5), [canceled(first_month(), 4)]);
    let plan = carry_out(&mut case);
    let key = plan.steps[0].key.clone();
    let due = day(5) + hours(1);
    let entry = case.ledger.entries.iter_mut().find(|entry| entry.key == key).unwrap();
    entry.state = State::Intended { attempts: 2, due };
    case.now = day(5) + seconds(30);
    let waits = decide(&case);
    assert_eq!((waits.steps, waits.dropped, waits.sync_again_at), (vec![], vec![], Some(due)));
    case.now = due;
    assert_eq!(decide(&case).steps[0].key, key);
    case.billing.subscriptions = vec![first_month()];
    assert_eq!(decide(&case).dropped, [key]);
}
