//! Periods move before money does.

use super::*;

fn past_due(status: InvoiceStatus) -> Subscription {
    Subscription { status: Status::PastDue, ..second_month(status) }
}

#[test]
fn a_period_that_moved_unpaid_is_held_to_the_paid_end_and_the_slack() {
    for status in [InvoiceStatus::Draft, InvoiceStatus::Open] {
        let case = later(of(day(3), [first_month()]), day(30), [second_month(status)]);
        let sentence = "`sub_1` was paid to 2026-01-31T00:00:00Z; the next invoice `in_2` is not paid yet, and access is \
                        held for `policy.renewal_slack` meanwhile";
        assert_eq!(until(&case), (day(30) + hours(2), sentence.into()));
        assert_eq!(steps(&case), Vec::<String>::new(), "the same right was granted before");
    }
}

#[test]
fn a_draft_older_than_the_slack_holds_nothing() {
    let case = later(of(day(3), [first_month()]), day(30) + hours(2), [second_month(InvoiceStatus::Draft)]);
    assert_eq!(withheld(&case), ["access from `sub_1` ended at 2026-01-31T02:00:00Z (paid time, with slack or grace)"]);
    assert_eq!(steps(&case), Vec::<String>::new(), "it ran out by itself");
}

#[test]
fn a_paid_renewal_is_a_transaction_of_its_own() {
    let case = later(of(day(3), [first_month()]), day(30) + hours(1), [second_month(InvoiceStatus::Paid)]);
    assert_eq!(steps(&case), ["grant premium until 2026-03-02T02:00:00Z by in_2"]);
    assert_eq!(entitled(&case).sale.original, "sub_1");
}

#[test]
fn a_period_that_moved_before_its_invoice_is_made_waits_for_it() {
    let mut sub = first_month();
    sub.items[0].period = period(30, 60);
    let sentence = "`sub_1` was paid to 2026-01-31T00:00:00Z; the next invoice is not made yet, and access is held \
                    for `policy.renewal_slack` meanwhile";
    assert_eq!(until(&of(day(30), [sub])), (day(30) + hours(2), sentence.into()));
}

#[test]
fn a_failed_renewal_has_grace_from_the_start_of_the_unpaid_period() {
    let case = later(of(day(3), [first_month()]), day(30) + hours(1), [past_due(InvoiceStatus::Open)]);
    let right = entitled(&case);
    let sentence = "the payment of `sub_1` failed; access continues for `policy.past_due_grace` from 2026-01-31T00:00:00Z, \
                    when the unpaid period began";
    assert_eq!(until(&case), (day(33), sentence.into()));
    assert_eq!((right.in_grace, right.will_renew, right.sale.id.as_str()), (true, true, "sub_1"));
    assert_eq!(steps(&case), ["grant premium until 2026-02-03T00:00:00Z by sub_1"]);
    assert_eq!(decide(&case).sync_again_at, Some(day(33)));
}

#[test]
fn grace_ends_by_itself() {
    let case = later(of(day(31), [past_due(InvoiceStatus::Open)]), day(33), [past_due(InvoiceStatus::Open)]);
    assert_eq!(withheld(&case), ["access from `sub_1` ended at 2026-02-03T00:00:00Z (paid time, with slack or grace)"]);
    assert_eq!((steps(&case), decide(&case).sync_again_at), (vec![], None));
}

#[test]
fn no_grace_means_the_paid_end() {
    let mut case = later(of(day(3), [first_month()]), day(30) + hours(1), [past_due(InvoiceStatus::Open)]);
    case.rules.policy.past_due_grace = 0;
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_cycle_invoice_that_will_never_be_paid_ends_grace() {
    for status in [InvoiceStatus::Void, InvoiceStatus::Uncollectible] {
        let case = later(of(day(31), [past_due(InvoiceStatus::Open)]), day(32), [past_due(status)]);
        assert_eq!(withheld(&case), ["invoice `in_2` of `sub_1` is not paid, so its period gives nothing"]);
        assert_eq!(steps(&case), ["revoke premium"]);
    }
}

#[test]
fn a_cycle_invoice_that_will_never_be_paid_ends_an_active_term_too() {
    let case = later(of(day(3), [first_month()]), day(30) + hours(1), [second_month(InvoiceStatus::Void)]);
    assert_eq!(withheld(&case), ["invoice `in_2` of `sub_1` is not paid, so its period gives nothing"]);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_recovered_payment_grants_the_whole_period() {
    let case = later(of(day(31), [past_due(InvoiceStatus::Open)]), day(32), [second_month(InvoiceStatus::Paid)]);
    assert_eq!(steps(&case), ["grant premium until 2026-03-02T02:00:00Z by in_2"]);
    assert!(!entitled(&case).in_grace);
}

#[test]
fn past_due_with_the_running_term_paid_is_held_to_its_end() {
    assert_eq!(until(&of(day(31), [past_due(InvoiceStatus::Paid)])).0, day(60));
}

#[test]
fn a_first_payment_that_is_past_due_gives_nothing() {
    let mut sub = Subscription { status: Status::PastDue, ..first_month() };
    sub.invoices[0].status = InvoiceStatus::Open;
    assert_eq!(withheld(&of(day(1), [sub])), ["invoice `in_1` of `sub_1` is not paid, so its period gives nothing"]);
}

#[test]
fn grace_never_outlasts_the_cancel_date() {
    let sub = Subscription { cancel_at: Some(day(31)), ..past_due(InvoiceStatus::Open) };
    let case = of(day(30), [sub]);
    assert_eq!(until(&case).0, day(31));
    assert!(!entitled(&case).will_renew);
}

#[test]
fn a_trial_becomes_paid_as_a_renewal() {
    let mut paid = trial();
    (paid.status, paid.items[0].period) = (Status::Active, period(7, 37));
    paid.invoices.push(invoice("in_2", InvoiceReason::SubscriptionCycle, InvoiceStatus::Paid, "month", period(7, 37)));
    let case = later(of(day(1), [trial()]), day(7) + hours(1), [paid]);
    let sale = entitled(&case).sale;
    assert_eq!(steps(&case), ["grant premium until 2026-02-07T02:00:00Z by in_2"]);
    assert_eq!((sale.price.unwrap().minor, sale.offer), (999, None));
}

#[test]
fn a_trial_whose_first_invoice_is_a_draft_is_reported_nothing_new() {
    let mut waiting = trial();
    (waiting.status, waiting.items[0].period) = (Status::Active, period(7, 37));
    let draft = invoice("in_2", InvoiceReason::SubscriptionCycle, InvoiceStatus::Draft, "month", period(7, 37));
    waiting.invoices.push(draft);
    let case = later(of(day(1), [trial()]), day(7) + hours(1), [waiting]);
    assert_eq!((until(&case).0, steps(&case)), (day(7) + hours(2), vec![]));
}

#[test]
fn a_year_that_replaces_a_month_is_not_held_before_it_is_paid() {
    let year = period(10, 375);
    let upgrade = |status| {
        let mut sub = first_month();
        sub.items[0] = item("si_1", "year", year);
        sub.invoices.push(invoice("in_2", InvoiceReason::SubscriptionUpdate, status, "year", year));
        sub
    };
    assert_eq!(until(&of(day(10), [upgrade(InvoiceStatus::Open)])).0, day(10) + hours(2));
    let failed = Subscription { status: Status::PastDue, ..upgrade(InvoiceStatus::Open) };
    assert_eq!(until(&of(day(10), [failed])).0, day(13));
    let paid = of(day(10), [upgrade(InvoiceStatus::Paid)]);
    assert_eq!((until(&paid).0, entitled(&paid).sale.id.as_str()), (day(375) + hours(2), "in_2"));
}

#[test]
fn an_invoice_made_and_paid_in_advance_pays_the_running_period() {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.invoices[1].created = day(29);
    assert_eq!(until(&of(day(31), [sub])).0, day(60) + hours(2));
}

#[test]
fn usage_that_is_billed_when_the_next_period_begins_is_the_bill_of_that_period() {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.invoices[1].lines[0].period = Some(period(0, 30));
    assert_eq!(until(&of(day(31), [sub])).0, day(60) + hours(2));
}
