//! What each state of a subscription gives.

use super::*;

fn with(status: Status) -> Subscription {
    Subscription { status, ..first_month() }
}

#[test]
fn a_paid_month_is_held_to_its_end_and_the_slack() {
    let case = of(day(3), [first_month()]);
    let right = entitled(&case);
    assert_eq!(until(&case), (day(30) + hours(2), "`sub_1` is paid to 2026-01-31T00:00:00Z and renews".into()));
    assert_eq!((right.will_renew, right.in_grace, right.starts_at), (true, false, Some(day(0))));
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
    assert_eq!(decide(&case).sync_again_at, Some(day(30) + hours(2)));
}

#[test]
fn what_is_not_paid_or_not_running_gives_nothing_and_ends_what_was_granted() {
    let sentences = [
        (Status::Incomplete, "the first payment of `sub_1` is not made (status `incomplete`), so it gives nothing"),
        (
            Status::IncompleteExpired,
            "the first payment of `sub_1` is not made (status `incomplete_expired`), so it gives nothing",
        ),
        (Status::Unpaid, "the source gave up charging for `sub_1`"),
        (Status::Paused, "`sub_1` is paused, so it gives nothing until it is resumed"),
    ];
    for (status, sentence) in sentences {
        let never = of(day(3), [with(status.clone())]);
        assert_eq!((withheld(&never), steps(&never)), (vec![sentence.to_owned()], vec![]));
        let once = later(of(day(3), [first_month()]), day(4), [with(status)]);
        assert_eq!(steps(&once), ["revoke premium"]);
        assert_eq!(decide(&once).steps[0].because.to_string(), sentence);
    }
}

#[test]
fn a_trial_is_held_to_its_end_and_the_slack_when_it_will_renew() {
    let case = of(day(1), [trial()]);
    assert_eq!(until(&case), (day(7) + hours(2), "`sub_1` is on trial to 2026-01-08T00:00:00Z".into()));
}

#[test]
fn a_trial_that_will_not_renew_ends_exactly() {
    let stopping = Subscription { stops_at_period_end: true, ..trial() };
    assert_eq!(until(&of(day(1), [stopping])).0, day(7));
    let limited = Subscription { cancel_at: Some(day(7)), ..trial() };
    assert_eq!(until(&of(day(1), [limited])).0, day(7));
}

#[test]
fn a_trial_ends_with_the_trial_even_when_the_period_goes_on() {
    let mut sub = trial();
    sub.items[0].period = period(0, 30);
    assert_eq!(until(&of(day(1), [sub])).0, day(7) + hours(2));
}

#[test]
fn a_subscription_without_any_invoice_is_taken_as_paid() {
    assert_eq!(until(&of(day(3), [sub("sub_1", "month", period(0, 30))])).0, day(30) + hours(2));
}

#[test]
fn a_cancel_at_period_end_ends_exactly_without_slack() {
    let stopping = Subscription { stops_at_period_end: true, ..first_month() };
    let case = later(of(day(3), [first_month()]), day(4), [stopping]);
    assert_eq!(until(&case), (day(30), "`sub_1` is paid to 2026-01-31T00:00:00Z and ends then".into()));
    assert!(!entitled(&case).will_renew);
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T00:00:00Z by sub_1"]);
}

#[test]
fn a_cancel_that_was_taken_back_has_the_slack_again() {
    let stopping = Subscription { stops_at_period_end: true, ..first_month() };
    let case = later(later(of(day(3), [first_month()]), day(4), [stopping]), day(5), [first_month()]);
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
}

#[test]
fn a_cancel_date_is_the_end_wherever_it_lies() {
    let ends = [(10, day(10)), (30, day(30)), (45, day(30) + hours(2))];
    for (cancel_at, end) in ends {
        let sub = Subscription { cancel_at: Some(day(cancel_at)), ..first_month() };
        assert_eq!(until(&of(day(3), [sub])).0, end, "{cancel_at}");
    }
    let sooner = Subscription { cancel_at: Some(day(30) + hours(1)), ..first_month() };
    assert_eq!(until(&of(day(3), [sooner])).0, day(30) + hours(1));
}

#[test]
fn a_cancel_date_at_the_end_of_the_period_leaves_nothing_to_renew() {
    let sub = Subscription { cancel_at: Some(day(30)), ..first_month() };
    assert!(!entitled(&of(day(3), [sub])).will_renew);
}

#[test]
fn the_reason_of_a_cancel_date_names_it() {
    let sub = Subscription { cancel_at: Some(day(10)), ..first_month() };
    assert_eq!(until(&of(day(3), [sub])).1, "`sub_1` is paid to 2026-01-11T00:00:00Z and ends then");
}

#[test]
fn an_immediate_cancel_ends_when_it_did_though_the_period_goes_on() {
    let ended = Subscription { ended_at: Some(day(4)), ..with(Status::Canceled) };
    let case = later(of(day(3), [first_month()]), day(4) + hours(1), [ended]);
    assert_eq!(withheld(&case), ["`sub_1` ended at 2026-01-05T00:00:00Z"]);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_cancel_without_a_known_end_is_over() {
    let case = later(of(day(3), [first_month()]), day(4), [with(Status::Canceled)]);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_right_that_ran_out_by_itself_needs_no_revoke() {
    let ended = Subscription { ended_at: Some(day(30)), ..with(Status::Canceled) };
    let stopping = Subscription { stops_at_period_end: true, ..first_month() };
    let case = later(of(day(3), [stopping]), day(30), [ended]);
    assert_eq!((steps(&case), decide(&case).sync_again_at), (vec![], None));
}

#[test]
fn paused_collection_is_policy() {
    let paused = Subscription { collection_paused: true, ..first_month() };
    let mut case = later(of(day(3), [first_month()]), day(4), [paused]);
    let sentence = "payments of `sub_1` are paused; access stays until its period ends at 2026-01-31T00:00:00Z \
                    (`policy.pause_collection = \"keep\"`)";
    assert_eq!(until(&case), (day(30) + hours(2), sentence.into()));
    assert_eq!(steps(&case), Vec::<String>::new());
    case.rules.policy.pause_collection = Choice::Revoke;
    assert_eq!(withheld(&case), ["payments of `sub_1` are paused, and `policy.pause_collection = \"revoke\"`"]);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_resumed_subscription_is_granted_again_under_a_new_key() {
    let first = of(day(3), [first_month()]);
    let key = decide(&first).steps[0].key.clone();
    let resumed = later(later(first, day(4), [with(Status::Paused)]), day(5), [first_month()]);
    let plan = decide(&resumed);
    assert_eq!(steps(&resumed), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
    assert_ne!(plan.steps[0].key, key);
    assert!(plan.steps[0].previous.is_some());
}

#[test]
fn a_quantity_of_zero_gives_nothing() {
    let mut none = first_month();
    none.items[0].quantity = 0;
    let case = later(of(day(3), [first_month()]), day(4), [none]);
    assert_eq!(withheld(&case), ["the quantity of `sub_1` is 0, so it gives nothing"]);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_sent_invoice_gives_access_when_it_is_paid_or_trusted() {
    let mut sent = Subscription { collection: Collection::SendInvoice, ..first_month() };
    sent.invoices[0].status = InvoiceStatus::Open;
    let mut case = of(day(3), [sent]);
    assert_eq!(withheld(&case), ["invoice `in_1` of `sub_1` is not paid, so its period gives nothing"]);
    case.rules.policy.unpaid_invoice = Unpaid::Grant;
    let sentence = "invoice `in_1` of `sub_1` was sent and is not paid yet; access is given meanwhile \
                    (`policy.unpaid_invoice_subscription = \"grant\"`)";
    assert_eq!(until(&case), (day(30) + hours(2), sentence.into()));
}
