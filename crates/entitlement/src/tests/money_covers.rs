//! Money covers what it paid for: changes of a price, payments on their way, pauses, and periods that nobody paid.

use super::*;
use crate::model::billing::{Invoice, Item, Line};
use crate::model::clock::Timestamp;
use crate::model::rules::Protocol;

/// How a plan is changed at Stripe.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// The item gets another price.
    Swap,
    /// The item is deleted and another is added.
    DeleteAndAdd,
}

const STYLES: [Style; 2] = [Style::Swap, Style::DeleteAndAdd];

/// Bought at `former` on day 0, changed to `price` on day 10 by an invoice in `status`; both run to day 30.
fn changed(style: Style, former: &str, price: &str, status: InvoiceStatus) -> Subscription {
    let mut sub = sub("sub_1", former, period(0, 30));
    let first = invoice("in_1", InvoiceReason::SubscriptionCreate, InvoiceStatus::Paid, former, period(0, 30));
    let rest = period(10, 30);
    let mut update = invoice("in_2", InvoiceReason::SubscriptionUpdate, status, price, rest);
    let credit = Line { amount: -666, period: Some(rest), proration: true, ..first.lines[0].clone() };
    update.lines[0].proration = true;
    update.lines.insert(0, credit);
    sub.items = match style {
        Style::Swap => vec![item("si_1", price, period(0, 30))],
        Style::DeleteAndAdd => {
            update.lines[1].item = Some("si_2".into());
            vec![item("si_2", price, period(0, 30))]
        }
    };
    sub.invoices = vec![first, update];
    sub
}

/// Every level that is expected, with its end.
fn levels(case: &Case) -> Vec<(String, Timestamp)> {
    let rights = decide(case).expected.entitlements;
    rights.iter().map(|right| (right.level.0.clone(), right.until.at().unwrap())).collect()
}

fn named<const N: usize>(levels: [(&str, Timestamp); N]) -> Vec<(String, Timestamp)> {
    levels.map(|(level, at)| (level.to_owned(), at)).into()
}

#[test]
fn an_upgrade_that_is_not_paid_has_grace_and_what_is_paid_stays() {
    for style in STYLES {
        let failed = Subscription { status: Status::PastDue, ..changed(style, "month", "gold", InvoiceStatus::Open) };
        let case = of(day(11), [failed.clone()]);
        assert_eq!(levels(&case), named([("gold", day(13)), ("premium", day(30))]), "{style:?}");
        let late = of(day(14), [failed]);
        assert_eq!(levels(&late), named([("premium", day(30))]), "{style:?}");
    }
}

#[test]
fn an_upgrade_that_is_paid_replaces_what_was_paid() {
    for style in STYLES {
        let paid = changed(style, "month", "gold", InvoiceStatus::Paid);
        assert_eq!(levels(&of(day(11), [paid])), named([("gold", day(30) + hours(2))]), "{style:?}");
    }
}

#[test]
fn an_upgrade_that_was_written_off_gives_nothing_and_what_is_paid_stays() {
    for (style, status) in STYLES.into_iter().zip([InvoiceStatus::Void, InvoiceStatus::Uncollectible]) {
        let given_up = changed(style, "month", "gold", status);
        assert_eq!(levels(&of(day(11), [given_up])), named([("premium", day(30))]), "{style:?}");
    }
}

#[test]
fn an_unpaid_change_from_a_price_that_opens_nothing_opens_for_the_grace_alone() {
    for style in STYLES {
        let failed = Subscription { status: Status::PastDue, ..changed(style, "seat", "month", InvoiceStatus::Open) };
        assert_eq!(levels(&of(day(11), [failed.clone()])), named([("premium", day(13))]), "{style:?}");
        assert_eq!(levels(&of(day(14), [failed])), vec![], "{style:?}");
    }
}

#[test]
fn an_upgrade_that_fails_within_one_level_keeps_what_is_paid() {
    for style in STYLES {
        let failed = Subscription { status: Status::PastDue, ..changed(style, "month", "year", InvoiceStatus::Open) };
        assert_eq!(levels(&of(day(20), [failed])), named([("premium", day(30))]), "{style:?}");
    }
    let mut whole = changed(Style::Swap, "month", "year", InvoiceStatus::Open);
    whole.status = Status::PastDue;
    whole.items[0].period = period(10, 375);
    whole.invoices[1].lines[1].period = Some(period(10, 375));
    whole.invoices[1].lines[1].proration = false;
    assert_eq!(levels(&of(day(20), [whole])), named([("premium", day(30))]), "a year that was not paid");
}

#[test]
fn a_change_that_bills_nothing_is_as_it_stands() {
    let mut sub = first_month();
    sub.items[0] = item("si_1", "gold", period(0, 30));
    assert_eq!(levels(&of(day(11), [sub])), named([("gold", day(30) + hours(2))]));
}

#[test]
fn an_unpaid_upgrade_is_reported_as_no_sale() {
    for style in STYLES {
        let failed = Subscription { status: Status::PastDue, ..changed(style, "month", "gold", InvoiceStatus::Open) };
        let mut before = of(day(3), [first_month()]);
        before.rules.protocol = Protocol::SalesAndAccess;
        let case = later(before, day(11), [failed]);
        let sent = execute(&mut case.clone());
        let reports = sent.iter().filter_map(|planned| match &planned.step {
            Step::ReportSale(report) => Some((report.sale.product.as_str(), report.sale.price.as_ref()?.minor)),
            Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) => None,
        });
        assert_eq!(reports.collect::<Vec<_>>(), [("prod_month", 999)], "{style:?}: that it renews no more");
        let access = steps(&case).into_iter().filter(|step| !step.starts_with("report"));
        let granted =
            ["grant gold until 2026-01-14T00:00:00Z by sub_1", "grant premium until 2026-01-31T00:00:00Z by sub_1"];
        assert_eq!(access.collect::<Vec<_>>(), granted, "{style:?}");
    }
}

#[test]
fn a_change_whose_payment_is_processing_is_held_for_processing_grace() {
    for style in STYLES {
        let mut sub = changed(style, "month", "gold", InvoiceStatus::Open);
        sub.invoices[1].is_processing = true;
        let case = of(day(11), [sub]);
        assert_eq!(levels(&case), named([("gold", day(17)), ("premium", day(30))]), "{style:?}");
        assert!(!decide(&case).expected.entitlements[0].in_grace, "nothing failed");
    }
}

#[test]
fn a_line_that_does_not_say_its_price_shortens_nothing() {
    let mut sub = changed(Style::Swap, "month", "gold", InvoiceStatus::Open);
    sub.invoices[1].lines[1].price = None;
    assert_eq!(levels(&of(day(11), [sub])), named([("gold", day(30) + hours(2)), ("premium", day(30))]));
}

#[test]
fn what_was_granted_for_a_price_that_is_listed_no_more_is_held_while_its_change_is_not_paid() {
    for style in STYLES {
        let mut case = of(day(3), [first_month()]);
        carry_out(&mut case);
        case.rules.catalog.0.retain(|listed| *listed != offering("month", "premium", None));
        case.now = day(14);
        let failed = Subscription { status: Status::PastDue, ..changed(style, "month", "gold", InvoiceStatus::Open) };
        case.billing.subscriptions = vec![failed];
        assert_eq!(steps(&case), [""; 0], "{style:?}");
    }
}

/// A renewal whose debit takes days.
fn processing() -> Subscription {
    let mut sub = second_month(InvoiceStatus::Open);
    sub.invoices[1].is_processing = true;
    sub
}

#[test]
fn a_renewal_whose_payment_is_processing_is_held_for_processing_grace() {
    assert_eq!(levels(&of(day(31), [processing()])), named([("premium", day(37))]));
    let overdue = Subscription { status: Status::PastDue, ..processing() };
    assert_eq!(levels(&of(day(31), [overdue])), named([("premium", day(37))]));
    assert_eq!(levels(&of(day(38), [processing()])), vec![]);
}

#[test]
fn a_first_payment_that_is_processing_opens_nothing() {
    let mut sub = sub("sub_1", "month", period(0, 30));
    let open = invoice("in_1", InvoiceReason::SubscriptionCreate, InvoiceStatus::Open, "month", period(0, 30));
    sub.invoices = vec![Invoice { is_processing: true, ..open }];
    assert_eq!(levels(&of(day(1), [sub])), vec![]);
}

#[test]
fn a_period_that_a_pause_waived_is_kept_to_its_end_after_it_is_resumed() {
    for status in [InvoiceStatus::Void, InvoiceStatus::Uncollectible, InvoiceStatus::Draft] {
        let mut resumed = second_month(status.clone());
        resumed.invoices[1].is_uncollected = true;
        assert_eq!(levels(&of(day(40), [resumed.clone()])), named([("premium", day(60) + hours(2))]), "{status:?}");
        let mut revokes = of(day(40), [resumed]);
        revokes.rules.policy.pause_collection = Choice::Revoke;
        assert_eq!(levels(&revokes), vec![], "{status:?}");
    }
}

#[test]
fn the_renewal_after_a_waived_period_has_its_slack_and_grace() {
    let third = |status: InvoiceStatus| {
        let mut sub = second_month(InvoiceStatus::Void);
        sub.invoices[1].is_uncollected = true;
        sub.items[0].period = period(60, 90);
        sub.invoices.push(invoice("in_3", InvoiceReason::SubscriptionCycle, status, "month", period(60, 90)));
        sub
    };
    let now = day(60) + hours(1);
    assert_eq!(levels(&of(now, [third(InvoiceStatus::Draft)])), named([("premium", day(60) + hours(2))]));
    let failed = Subscription { status: Status::PastDue, ..third(InvoiceStatus::Open) };
    assert_eq!(levels(&of(now, [failed])), named([("premium", day(63))]));
}

/// The second and the third month are not paid; the third's invoice is in `status`.
fn two_unpaid(second: InvoiceStatus, third: InvoiceStatus) -> Subscription {
    let mut sub = second_month(second);
    sub.items[0].period = period(60, 90);
    sub.invoices.push(invoice("in_3", InvoiceReason::SubscriptionCycle, third, "month", period(60, 90)));
    sub
}

#[test]
fn grace_counts_from_the_first_unpaid_period_and_once() {
    let sub = Subscription { status: Status::PastDue, ..two_unpaid(InvoiceStatus::Open, InvoiceStatus::Open) };
    assert_eq!(levels(&of(day(61), [sub])), vec![]);
    let short = |start: i64| Item { period: period(start, start + 1), ..item("si_1", "month", period(0, 1)) };
    let mut daily = first_month();
    daily.status = Status::PastDue;
    daily.invoices[0].lines[0].period = Some(period(0, 1));
    for start in 1..=2 {
        let id = format!("in_{}", start + 1);
        let reason = InvoiceReason::SubscriptionCycle;
        daily.invoices.push(invoice(&id, reason, InvoiceStatus::Open, "month", period(start, start + 1)));
        daily.items = vec![short(start)];
    }
    assert_eq!(levels(&of(day(2), [daily])), named([("premium", day(4))]), "from day 1");
}

#[test]
fn an_unpaid_period_is_reported_as_paid_to_where_the_first_began() {
    let mut daily = Subscription { status: Status::PastDue, ..second_month(InvoiceStatus::Open) };
    daily.items[0].period = period(31, 32);
    daily.invoices[1].lines[0].period = Some(period(30, 31));
    daily.invoices.push(invoice(
        "in_3",
        InvoiceReason::SubscriptionCycle,
        InvoiceStatus::Open,
        "month",
        period(31, 32),
    ));
    let mut case = of(day(31), [daily]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let status = entitled(&case).sale.status.unwrap();
    assert_eq!((status.paid_until.at(), status.payment_failed_at), (Some(day(30)), Some(day(30))));
    assert_eq!(status.grace_until, Some(day(33)));
}

#[test]
fn after_a_period_that_was_written_off_a_draft_opens_nothing() {
    for former in [InvoiceStatus::Uncollectible, InvoiceStatus::Void, InvoiceStatus::Open] {
        let sub = two_unpaid(former.clone(), InvoiceStatus::Draft);
        assert_eq!(levels(&of(day(60) + hours(1), [sub])), vec![], "{former:?}");
    }
}

#[test]
fn a_refund_of_all_that_was_charged_is_full_whatever_credit_paid() {
    let mut sub = first_month();
    sub.invoices[0].money_back = MoneyBack { refunded: 599, received: Some(599), ..MoneyBack::default() };
    let no = decide(&of(day(3), [sub.clone()])).expected.withheld;
    assert_eq!(no.iter().map(|no| no.refund).collect::<Vec<_>>(), [Refund::Yes]);
    sub.invoices[0].money_back.refunded = 598;
    assert_eq!(levels(&of(day(3), [sub])), named([("premium", day(30) + hours(2))]));
    let mut pass = case(day(3));
    pass.billing.purchases.push(purchase("pi_1", "pass", day(0)));
    pass.billing.purchases[0].money_back = MoneyBack { refunded: 1500, received: Some(1500), ..MoneyBack::default() };
    assert_eq!(levels(&pass), vec![]);
}

#[test]
fn an_unmapped_price_that_can_give_nothing_holds_nothing() {
    let running = sub("sub_2", "nobody knows", period(0, 30));
    let unpaid = Subscription { status: Status::Unpaid, ..running.clone() };
    let paused = Subscription { status: Status::Paused, ..running.clone() };
    let over = Subscription { status: Status::Canceled, ended_at: Some(day(2)), ..running.clone() };
    let none = Subscription { items: vec![Item { quantity: 0, ..running.items[0].clone() }], ..running.clone() };
    let refunded = |mut sub: Subscription| {
        sub.invoices[0].money_back = refund(999);
        sub
    };
    for idle in [unpaid, paused, over, none] {
        let case = later(of(day(3), [first_month(), idle.clone()]), day(4), [refunded(first_month()), idle.clone()]);
        assert_eq!(steps(&case), ["revoke premium as refund"], "{:?}", idle.status);
    }
    let held = later(of(day(3), [first_month(), running.clone()]), day(4), [refunded(first_month()), running]);
    assert_eq!(steps(&held), [""; 0], "a running one may give it");
}
