//! Several items, subscriptions and accounts of one customer.

use super::*;

fn second(price: &str, start: i64, end: i64) -> Subscription {
    let mut sub = sub("sub_2", price, period(start, end));
    sub.account = Account::new("stripe", "cus_2");
    sub.invoices.push(invoice(
        "in_9",
        InvoiceReason::SubscriptionCreate,
        InvoiceStatus::Paid,
        price,
        period(start, end),
    ));
    sub
}

fn ended(sub: Subscription, at: i64) -> Subscription {
    Subscription { status: Status::Canceled, ended_at: Some(day(at)), ..sub }
}

#[test]
fn the_longest_right_of_a_level_wins() {
    let case = of(day(12), [first_month(), second("month", 10, 40)]);
    assert_eq!(steps(&case), ["grant premium until 2026-02-10T02:00:00Z by sub_2"]);
    assert_eq!(decide(&case).sync_again_at, Some(day(30) + hours(2)), "the shorter one ends first");
}

#[test]
fn ending_one_never_revokes_what_another_covers() {
    let both = of(day(12), [first_month(), second("month", 10, 40)]);
    let long_ended = later(both.clone(), day(13), [first_month(), ended(second("month", 10, 40), 13)]);
    assert_eq!(steps(&long_ended), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
    let short_ended = later(both, day(13), [ended(first_month(), 13), second("month", 10, 40)]);
    assert_eq!(steps(&short_ended), Vec::<String>::new());
}

#[test]
fn levels_are_settled_each_for_itself() {
    let both = of(day(12), [first_month(), second("gold", 10, 40)]);
    let grants =
        ["grant gold until 2026-02-10T02:00:00Z by sub_2", "grant premium until 2026-01-31T02:00:00Z by sub_1"];
    assert_eq!(steps(&both), grants);
    assert_eq!(steps(&later(both, day(13), [first_month(), ended(second("gold", 10, 40), 13)])), ["revoke gold"]);
}

#[test]
fn items_of_one_subscription_have_their_own_periods() {
    let mut sub = first_month();
    sub.items.push(item("si_2", "gold", period(0, 365)));
    let ends: Vec<_> = decide(&of(day(1), [sub])).expected.entitlements.iter().map(|right| right.until).collect();
    assert_eq!(ends, [Until::At(day(365) + hours(2)), Until::At(day(30) + hours(2))]);
}

#[test]
fn an_upgrade_keeps_the_chain_and_ends_the_old_level() {
    let mut upgraded = first_month();
    upgraded.items[0] = item("si_1", "gold", period(0, 30));
    let change = InvoiceReason::SubscriptionUpdate;
    let mut proration = invoice("in_2", change, InvoiceStatus::Paid, "gold", period(10, 30));
    proration.lines[0].proration = true;
    upgraded.invoices.push(proration);
    let case = later(of(day(3), [first_month()]), day(10), [upgraded]);
    assert_eq!(steps(&case), ["grant gold until 2026-01-31T02:00:00Z by in_2", "revoke premium"]);
    let plan = decide(&case);
    assert_eq!(plan.expected.entitlements[0].sale.original, "sub_1");
    assert_eq!(plan.steps[1].because.to_string(), "no subscription or purchase of this user gives this level now");
}

#[test]
fn one_price_may_give_several_levels() {
    let mut case = of(day(3), [first_month()]);
    case.rules.catalog.0.push(offering("month", "ads_free", None));
    assert_eq!(decide(&case).steps.len(), 2);
}

#[test]
fn the_same_subscription_read_through_two_accounts_counts_once() {
    let twice = of(day(3), [first_month(), first_month()]);
    assert_eq!(decide(&twice), decide(&of(day(3), [first_month()])));
}

#[test]
fn of_equal_rights_the_choice_is_stable() {
    let other = Subscription { id: "sub_0".into(), ..first_month() };
    let case = of(day(3), [first_month(), other.clone()]);
    assert_eq!(entitled(&case).sale.original, "sub_0");
    assert_eq!(decide(&case), decide(&of(day(3), [other, first_month()])));
}

#[test]
fn a_new_subscription_after_a_cancel_is_a_new_chain() {
    let back = [ended(first_month(), 20), second("month", 50, 80)];
    let case = later(of(day(3), [first_month()]), day(50), back);
    assert_eq!(steps(&case), ["grant premium until 2026-03-22T02:00:00Z by sub_2"]);
}

#[test]
fn merged_billing_is_what_both_accounts_are_billed() {
    let mut billing = of(day(0), [first_month()]).billing;
    let mut other = of(day(0), [second("gold", 0, 30)]).billing;
    other.purchases.push(purchase("pi_1", "life", day(0)));
    other.gaps.push(Gap { about: About::MoneyBack, what: "refunds".into() });
    billing.merge(other);
    assert_eq!((billing.subscriptions.len(), billing.purchases.len(), billing.gaps.len()), (2, 1, 1));
}

#[test]
fn of_two_entries_for_one_price_and_level_the_first_counts() {
    let mut case = of(day(3), [first_month()]);
    case.rules.catalog.0.push(called(offering("month", "premium", None), "com.app.month"));
    assert_eq!(entitled(&case).sale.product, "prod_month");
}

#[test]
fn an_open_invoice_of_one_item_holds_back_no_other() {
    let mut sub = first_month();
    sub.items.push(item("si_2", "gold", period(10, 40)));
    let mut other = invoice("in_2", InvoiceReason::SubscriptionCycle, InvoiceStatus::Open, "gold", period(10, 40));
    for line_item in [Some("si_2".to_owned()), None] {
        other.lines[0].item = line_item;
        let mut sub = sub.clone();
        sub.invoices.push(other.clone());
        assert_eq!(steps(&of(day(12), [sub])), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
    }
}
