//! Ids under which a transaction was reported stay, whatever is read of the billing later, and by whichever protocol.

use super::*;
use crate::model::billing::Line;
use crate::model::rules::Protocol;

/// A subscription to two products, both paid since day 0.
fn two() -> Subscription {
    let mut two = first_month();
    two.items.push(item("si_2", "gold", period(0, 30)));
    let line = two.invoices[0].lines[0].clone();
    let (price, product, item) = (Some("gold".into()), Some("prod_gold".into()), Some("si_2".into()));
    two.invoices[0].lines.push(Line { price, product, item, amount: 1999, ..line });
    two
}

fn by(protocol: Protocol, case: Case) -> Case {
    let mut case = case;
    case.rules.protocol = protocol;
    case
}

/// Item `si_2` took the place of `si_1` in the second month; `invoices` are known.
fn replaced(invoices: &[&str]) -> Subscription {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.items[0] = item("si_2", "month", period(30, 60));
    sub.invoices[1].lines[0].item = Some("si_2".into());
    sub.invoices.retain(|invoice| invoices.contains(&invoice.id.as_str()));
    sub
}

fn entered(case: &Case) -> Vec<[String; 2]> {
    let steps = decide(case).steps;
    let reports = steps.iter().filter_map(|planned| match &planned.step {
        Step::ReportSale(report) => Some(report.sale.reported_ids()),
        Step::GrantAccess(grant) if !grant.is_bare() => Some(grant.sale.reported_ids()),
        Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) => None,
    });
    reports.map(|ids| [ids.id, ids.original]).collect()
}

#[test]
fn a_payment_keeps_its_ids_when_more_invoices_are_read() {
    let case = by(Protocol::SalesAndAccess, of(day(31), [replaced(&["in_2"])]));
    assert_eq!(entered(&case), [["in_2", "sub_1"]]);
    let case = later(case, day(32), [replaced(&["in_1", "in_2"])]);
    assert_eq!(steps(&case), Vec::<String>::new());
    let mut renewed = replaced(&["in_1", "in_2"]);
    renewed.items[0].period = period(60, 90);
    let mut third = renewed.invoices[1].clone();
    (third.id, third.created, third.lines[0].period) = ("in_3".into(), day(60), Some(period(60, 90)));
    renewed.invoices.push(third);
    assert_eq!(entered(&later(case, day(61), [renewed])), [["in_3", "sub_1"]], "and so does its chain");
}

#[test]
fn a_payment_keeps_its_ids_when_fewer_invoices_are_read() {
    let case = by(Protocol::SalesAndAccess, of(day(31), [replaced(&["in_1", "in_2"])]));
    assert_eq!(entered(&case), [["in_2:si_2", "sub_1:si_2"]]);
    assert_eq!(steps(&later(case, day(32), [replaced(&["in_2"])])), Vec::<String>::new());
}

#[test]
fn what_v2_reported_of_each_product_is_not_reported_again_by_v1() {
    let case = later(by(Protocol::SalesAndAccess, of(day(3), [two()])), day(4), [two()]);
    let mut case = by(Protocol::AccessWithSale, case);
    assert_eq!(steps(&case), Vec::<String>::new());
    case.profile.levels.clear();
    assert_eq!(entered(&case), [["sub_1:si_2"; 2], ["sub_1"; 2]], "and again, if need be, under the ids of then");
}

#[test]
fn a_refund_of_what_v1_reported_is_reported_by_v2_under_the_ids_of_then() {
    let case = later(by(Protocol::AccessWithSale, of(day(3), [two()])), day(4), [two()]);
    let mut refunded = two();
    refunded.invoices[0].money_back = refund(999);
    let case = by(Protocol::SalesAndAccess, later(case, day(5), [refunded]));
    assert_eq!(entered(&case), [["sub_1"; 2], ["sub_1"; 2]]);
}

#[test]
fn what_v2_reported_under_a_hashed_id_is_not_reported_again_by_v1() {
    let mut long = two();
    long.items[1].id = format!("si_{}", "2".repeat(60));
    long.items.swap(0, 1);
    let case = later(by(Protocol::SalesAndAccess, of(day(3), [long.clone()])), day(4), [long]);
    let case = by(Protocol::AccessWithSale, case);
    assert_eq!(steps(&case), Vec::<String>::new(), "{:#?} {:#?}", case.profile, case.ledger.entries);
}
