//! The ids and the price that a right is reported under.

use super::*;
use crate::model::billing::{Invoice, Line};
use crate::model::rules::Protocol;

fn reported(sub: Subscription) -> (String, Option<i64>, Option<Offer>) {
    let sale = entitled(&of(day(31), [sub])).sale;
    assert_eq!(sale.original, "sub_1");
    (sale.id, sale.price.map(|price| price.minor), sale.offer)
}

fn credit(invoice: &Invoice, amount: i64) -> Line {
    Line { amount, proration: true, ..invoice.lines[0].clone() }
}

#[test]
fn the_first_term_carries_the_chains_own_id_and_each_later_one_its_invoice() {
    let long = |mut sub: Subscription| {
        sub.items[0].period.end = day(90);
        sub
    };
    assert_eq!(reported(long(first_month())), ("sub_1".into(), Some(999), None));
    assert_eq!(reported(second_month(InvoiceStatus::Paid)), ("in_2".into(), Some(999), None));
    assert_eq!(reported(long(sub("sub_1", "month", period(0, 30)))), ("sub_1".into(), None, None));
}

#[test]
fn a_trial_is_free_and_says_so() {
    let sale = entitled(&of(day(1), [trial()])).sale;
    assert_eq!((sale.id.as_str(), sale.original.as_str()), ("sub_1", "sub_1"));
    assert_eq!((sale.price.unwrap().minor, sale.offer), (0, Some(Offer::FreeTrial)));
}

#[test]
fn a_trial_without_an_invoice_is_free_too() {
    let sale = entitled(&of(day(1), [Subscription { invoices: vec![], ..trial() }])).sale;
    assert_eq!(sale.price.map(|price| price.minor), Some(0));
}

#[test]
fn a_trial_that_was_over_before_or_came_after_is_no_offer_of_the_first_term() {
    for trial in [period(-7, 0), period(10, 17)] {
        let sale = entitled(&of(day(20), [Subscription { trial: Some(trial), ..first_month() }])).sale;
        assert_eq!((sale.price.unwrap().minor, sale.offer), (999, None));
    }
}

#[test]
fn an_invoice_that_is_not_paid_is_no_transaction() {
    let sub = Subscription { status: Status::PastDue, ..second_month(InvoiceStatus::Open) };
    assert_eq!(reported(sub).0, "sub_1");
}

#[test]
fn a_renewal_for_nothing_is_a_transaction_of_price_zero() {
    let mut free = second_month(InvoiceStatus::Paid);
    free.invoices[1].total.minor = 0;
    free.invoices[1].lines[0].amount = 0;
    assert_eq!(reported(free), ("in_2".into(), Some(0), None));
}

#[test]
fn the_price_is_the_sum_of_the_lines_for_the_product() {
    let mut sub = second_month(InvoiceStatus::Paid);
    let discount = credit(&sub.invoices[1], -300);
    let setup = Line { product: Some("setup".into()), item: None, ..credit(&sub.invoices[1], 5000) };
    sub.invoices[1].lines.extend([discount, setup]);
    assert_eq!(reported(sub).1, Some(699));
}

#[test]
fn a_plan_changed_without_a_new_invoice_is_reported_for_nothing() {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.items[0] = item("si_1", "gold", period(30, 60));
    assert_eq!(reported(sub), ("in_2".into(), Some(0), None));
}

#[test]
fn an_invoice_whose_lines_are_not_known_says_no_price() {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.invoices[1].lines.clear();
    assert_eq!(reported(sub), ("in_2".into(), None, None));
}

#[test]
fn an_invoice_that_only_credits_is_no_transaction() {
    let mut sub = second_month(InvoiceStatus::Paid);
    let change = InvoiceReason::SubscriptionUpdate;
    let mut credited = invoice("in_3", change, InvoiceStatus::Paid, "month", period(31, 60));
    credited.lines = vec![credit(&credited, -100)];
    sub.invoices.push(credited);
    assert_eq!(reported(sub.clone()).0, "in_2");
    sub.invoices.remove(1);
    sub.items[0].period = period(0, 90);
    assert_eq!(reported(sub), ("sub_1".into(), Some(999), None), "nor does it say the price of the first term");
}

#[test]
fn a_line_that_names_no_product_is_known_by_its_price() {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.invoices[1].lines[0].product = None;
    assert_eq!(reported(sub).1, Some(999));
}

#[test]
fn the_catalog_may_name_the_product() {
    let mut case = of(day(3), [first_month()]);
    assert_eq!(entitled(&case).sale.product, "prod_month");
    case.rules.catalog.0[0] = called(offering("month", "premium", None), "com.app.month");
    let sale = entitled(&case).sale;
    assert_eq!((sale.product.as_str(), sale.base_plan.as_str()), ("com.app.month", "month"));
}

/// What each level is reported to have cost.
fn prices(case: &Case) -> Vec<Option<i64>> {
    decide(case).expected.entitlements.iter().map(|right| right.sale.price.as_ref().map(|price| price.minor)).collect()
}

#[test]
fn two_prices_of_one_product_are_one_sale_under_one_id_and_each_its_own_under_two() {
    let mut sub = first_month();
    let gold = crate::model::billing::Item { product: "prod_month".into(), ..item("si_2", "gold", period(0, 30)) };
    sub.items.push(gold);
    let line = |amount, item: &str, price: &str| {
        let (item, price) = (Some(item.to_owned()), Some(price.to_owned()));
        Line { amount, item, price, ..sub.invoices[0].lines[0].clone() }
    };
    let setup = Line { item: None, ..line(100, "si_1", "once") };
    sub.invoices[0].lines = vec![line(999, "si_1", "month"), line(1999, "si_2", "gold"), setup];
    let mut case = of(day(3), [sub]);
    assert_eq!(prices(&case), [Some(3098); 2]);
    case.rules.protocol = Protocol::SalesAndAccess;
    assert_eq!(prices(&case), [Some(1999), Some(1099)]);
}

#[test]
fn an_entry_that_sells_the_same_under_another_name_sells_it_for_nothing() {
    let mut case = of(day(3), [first_month()]);
    case.rules.catalog.0.push(called(offering("month", "ads_free", None), "com.app.ads"));
    assert_eq!(prices(&case), [Some(0), Some(999)]);
    case.rules.protocol = Protocol::SalesAndAccess;
    assert_eq!(prices(&case), [None, Some(999)], "it is no sale of its own");
}

#[test]
fn two_lines_of_one_product_bought_once_are_reported_with_their_own_amounts() {
    let mut bought = purchase("pi_1", "life", day(1));
    let other = crate::model::billing::PurchaseLine { price: "zoo".into(), amount: 300, ..bought.lines[0].clone() };
    bought.lines.push(other);
    let mut case = of(day(3), []);
    case.rules.catalog.0.push(offering("zoo", "zoo", Some(crate::model::catalog::Term::Lifetime)));
    case.billing.purchases = vec![bought];
    assert_eq!(prices(&case), [Some(2300); 2]);
    case.rules.protocol = Protocol::SalesAndAccess;
    assert_eq!(prices(&case), [Some(2000), Some(300)]);
}

#[test]
fn another_amount_of_what_was_reported_is_no_news() {
    let case = of(day(3), [first_month()]);
    let mut dearer = first_month();
    dearer.invoices[0].lines[0].amount = 1500;
    assert_eq!(steps(&later(case, day(4), [dearer])), Vec::<String>::new());
}
