//! More saved cases: states, choices and doubts.

use super::*;

fn granted() -> Case {
    of(day(3), [first_month()])
}

/// States in which nothing, or something else, is expected.
pub(super) fn states() -> Vec<(&'static str, Case)> {
    let with = |status| Subscription { status, ..first_month() };
    let open = Subscription { status: Status::Incomplete, invoices: vec![], ..first_month() };
    let voided = Subscription { status: Status::PastDue, ..second_month(InvoiceStatus::Void) };
    let mut none_left = first_month();
    none_left.items[0].quantity = 0;
    let cut = Subscription { cancel_at: Some(day(20)), ..first_month() };
    let mut converted = trial();
    (converted.status, converted.items[0].period) = (Status::Active, period(7, 37));
    let cycle = InvoiceReason::SubscriptionCycle;
    converted.invoices.push(invoice("in_2", cycle, InvoiceStatus::Paid, "month", period(7, 37)));
    vec![
        ("first_payment_failed", of(day(1), [open])),
        ("all_tries_failed", later(granted(), day(31), [with(Status::Unpaid)])),
        ("renewal_invoice_voided", later(granted(), day(31), [voided])),
        ("quantity_zero", later(granted(), day(4), [none_left])),
        ("cancel_at_a_moment", later(granted(), day(4), [cut])),
        ("trial_converted", later(of(day(1), [trial()]), day(7) + hours(1), [converted])),
    ]
}

/// What the operator may choose.
pub(super) fn choices() -> Vec<(&'static str, Case)> {
    let paused = Subscription { collection_paused: true, ..first_month() };
    let mut revoking = later(granted(), day(4), [paused.clone()]);
    revoking.rules.policy.pause_collection = Choice::Revoke;
    let mut sent = first_month();
    (sent.collection, sent.invoices[0].status) = (Collection::SendInvoice, InvoiceStatus::Open);
    let mut trusting = of(day(1), [sent.clone()]);
    trusting.rules.policy.unpaid_invoice = Unpaid::Grant;
    let mut partly = first_month();
    partly.invoices[0].money_back = refund(500);
    let mut strict = later(granted(), day(4), [partly.clone()]);
    strict.rules.policy.partial_refund = Choice::Revoke;
    let mut disputed = first_month();
    disputed.invoices[0].money_back = dispute(DisputeState::Open);
    let mut wary = later(granted(), day(4), [disputed.clone()]);
    wary.rules.policy.dispute_opened = Choice::Revoke;
    let mut free = first_month();
    (free.invoices[0].total.minor, free.invoices[0].lines[0].amount) = (0, 0);
    vec![
        ("collection_paused_keeps", later(granted(), day(4), [paused])),
        ("collection_paused_revokes", revoking),
        ("sent_invoice_waits", of(day(1), [sent])),
        ("sent_invoice_trusted", trusting),
        ("refunded_partly_keeps", later(granted(), day(4), [partly])),
        ("refunded_partly_revokes", strict),
        ("dispute_opened_keeps", later(granted(), day(4), [disputed])),
        ("dispute_opened_revokes", wary),
        ("coupon_of_all", of(day(1), [free])),
    ]
}

/// What nobody can say, or may not count.
pub(super) fn doubts() -> Vec<(&'static str, Case)> {
    let unknown = Subscription { status: Status::Unknown("dormant".into()), ..first_month() };
    let simulated = Subscription { on_test_clock: true, ..first_month() };
    let mut other_mode = granted();
    other_mode.billing.mode = Mode::Test;
    let mut unread = granted();
    let what = "refunds and disputes (charges list answered 403)".to_owned();
    unread.billing.gaps.push(Gap { about: About::MoneyBack, what });
    let mut appealed = first_month();
    appealed.invoices[0].money_back = dispute(DisputeState::Unknown("appeal_under_review".into()));
    let elsewhere = Subscription {
        id: "sub_2".into(),
        account: Account::new("stripe", "cus_2"),
        ..second_month(InvoiceStatus::Paid)
    };
    vec![
        ("status_newer_than_us", later(granted(), day(4), [unknown])),
        ("on_a_test_clock", of(day(3), [simulated])),
        ("of_the_other_mode", other_mode),
        ("refunds_not_read", unread),
        ("dispute_newer_than_us", later(granted(), day(4), [appealed])),
        ("two_accounts", later(granted(), day(31), [first_month(), elsewhere])),
    ]
}
