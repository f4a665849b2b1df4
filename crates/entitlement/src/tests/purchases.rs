//! What is bought once.

use super::*;
use crate::model::billing::{Purchase, SoldOn};
use crate::model::rules::Protocol;

fn bought(now: i64, purchases: impl IntoIterator<Item = Purchase>) -> Case {
    let mut case = case(day(now));
    case.billing.purchases.extend(purchases);
    case
}

#[test]
fn a_purchase_for_life_never_ends() {
    let case = bought(1, [purchase("pi_1", "life", day(0))]);
    let right = entitled(&case);
    assert_eq!((right.until, right.will_renew), (Until::Lifetime, false));
    assert_eq!(right.because.to_string(), "bought once with `pi_1`, lasting for life");
    assert_eq!((right.sale.id.as_str(), right.sale.original.as_str()), ("pi_1", "pi_1"));
    assert_eq!(steps(&case), ["grant premium until for life by pi_1"]);
    assert_eq!(decide(&case).sync_again_at, None);
}

#[test]
fn a_pass_lasts_its_span_from_the_payment_without_slack() {
    let case = bought(1, [purchase("pi_1", "pass", day(0))]);
    assert_eq!(until(&case), (day(30), "bought once with `pi_1`, lasting until 2026-01-31T00:00:00Z".into()));
}

#[test]
fn passes_of_one_product_follow_one_another() {
    let both = [purchase("pi_1", "pass", day(0)), purchase("pi_2", "pass", day(10))];
    assert_eq!(until(&bought(11, both)).0, day(60));
    let apart = [purchase("pi_1", "pass", day(0)), purchase("pi_2", "pass", day(40))];
    assert_eq!(until(&bought(41, apart)).0, day(70));
    let mut two = purchase("pi_1", "pass", day(0));
    two.lines[0].quantity = 2;
    assert_eq!(until(&bought(1, [two])).0, day(60));
}

#[test]
fn the_same_pass_read_through_two_accounts_counts_once() {
    let twice = [purchase("pi_1", "pass", day(0)), purchase("pi_1", "pass", day(0))];
    assert_eq!(until(&bought(1, twice)).0, day(30));
}

#[test]
fn a_refunded_pass_takes_its_span_out() {
    let both = [purchase("pi_1", "pass", day(0)), purchase("pi_2", "pass", day(10))];
    let mut case = bought(11, both);
    carry_out(&mut case);
    case.billing.purchases[0].money_back = refund(2000);
    assert_eq!(steps(&case), ["grant premium until 2026-02-10T00:00:00Z by pi_2"]);
    case.billing.purchases[1].money_back = refund(2000);
    assert_eq!(steps(&case), ["revoke premium as refund"]);
}

#[test]
fn a_purchase_that_is_not_settled_waits() {
    let waiting = Purchase { state: PurchaseState::Waiting, ..purchase("cs_1", "life", day(0)) };
    assert_eq!(
        withheld(&bought(1, [waiting])),
        ["the first payment of `cs_1` is not made (status `unpaid`), so it gives nothing"]
    );
}

#[test]
fn a_purchase_of_none_gives_nothing() {
    let mut none = purchase("pi_1", "life", day(0));
    none.lines[0].quantity = 0;
    assert_eq!(withheld(&bought(1, [none])), ["the quantity of `pi_1` is 0, so it gives nothing"]);
}

#[test]
fn a_purchase_without_a_duration_is_for_a_human() {
    let plan = decide(&bought(1, [purchase("pi_1", "gold", day(0))]));
    assert_eq!(plan.steps, vec![]);
    assert!(plan.expected.unknown[0].because.to_string().contains("has no `duration`"));
    assert_eq!(plan.expected.unknown[0].may_give, MayGive::Level(level("gold")));
}

#[test]
fn a_purchase_for_life_outlasts_the_subscription_beside_it() {
    let mut case = bought(1, [purchase("pi_1", "life", day(0))]);
    case.billing.subscriptions.push(first_month());
    assert_eq!(entitled(&case).until, Until::Lifetime);
    case.billing.purchases[0].money_back = refund(2000);
    assert_eq!(until(&case).0, day(30) + hours(2));
}

#[test]
fn the_price_reported_is_the_sum_of_the_lines_of_the_product() {
    let mut two = purchase("pi_1", "pass", day(0));
    two.lines.push(two.lines[0].clone());
    assert_eq!(entitled(&bought(1, [two])).sale.price.unwrap().minor, 4000);
}

#[test]
fn passes_follow_one_another_in_the_order_of_payment() {
    let both = [purchase("pi_1", "pass", day(10)), purchase("pi_2", "pass", day(0))];
    assert_eq!(until(&bought(11, both)).0, day(60));
}

#[test]
fn on_an_invoice_a_price_that_the_catalog_does_not_list_gives_holds_and_parks_nothing() {
    let fee = Purchase { sold_on: SoldOn::Invoice, ..purchase("in_1", "setup_fee", day(0)) };
    let mut case = bought(1, [purchase("pi_1", "life", day(0)), fee]);
    carry_out(&mut case);
    case.billing.purchases[0].money_back = refund(2000);
    assert_eq!(steps(&case), ["revoke premium as refund"]);
    assert_eq!(decide(&case).expected.unknown, vec![]);
    case.billing.purchases[1].on_test_clock = true;
    assert_eq!(decide(&case).expected.unknown, vec![]);
    let fee = &mut case.billing.purchases[1];
    (fee.on_test_clock, fee.sold_on) = (false, SoldOn::Checkout);
    assert_eq!(steps(&case), Vec::<String>::new(), "in a checkout of its own it could give anything");
}

#[test]
fn on_an_invoice_a_listed_price_gives_its_level_beside_one_that_is_not_listed() {
    let mut sold = Purchase { sold_on: SoldOn::Invoice, ..purchase("in_1", "pass", day(0)) };
    sold.lines.push(purchase("in_1", "setup_fee", day(0)).lines.remove(0));
    let case = bought(1, [sold]);
    assert_eq!(until(&case), (day(30), "bought once with `in_1`, lasting until 2026-01-31T00:00:00Z".into()));
    assert_eq!(decide(&case).expected.unknown, vec![]);
}

#[test]
fn what_a_renewals_invoice_sells_once_has_an_id_beside_that_of_the_renewal() {
    let id = |sold_on: SoldOn| {
        let mut case = bought(1, [Purchase { sold_on, ..purchase("in_2", "pass", day(0)) }]);
        case.rules.protocol = Protocol::SalesAndAccess;
        entitled(&case).sale.reported_ids().id
    };
    assert_eq!(id(SoldOn::SubscriptionInvoice), "in_2:prod_pass");
    assert_eq!((id(SoldOn::Invoice), id(SoldOn::Checkout)), ("in_2".into(), "in_2".into()));
}

#[test]
fn a_purchase_on_simulated_time_counts_only_when_allowed() {
    let mut case = bought(1, [Purchase { on_test_clock: true, ..purchase("pi_1", "life", day(0)) }]);
    assert_eq!((withheld(&case), steps(&case)), (vec![], vec![]));
    case.rules.policy.test_clocks = TestClocks::Allow;
    assert_eq!(steps(&case), ["grant premium until for life by pi_1"]);
}
