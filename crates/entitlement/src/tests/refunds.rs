//! Money that goes back.

use super::*;

fn with_back(back: MoneyBack) -> Subscription {
    let mut sub = first_month();
    sub.invoices[0].money_back = back;
    sub
}

fn after(back: MoneyBack) -> Case {
    later(of(day(3), [first_month()]), day(4), [with_back(back)])
}

#[test]
fn a_full_refund_of_the_running_term_revokes_as_a_refund() {
    let case = after(refund(999));
    assert_eq!(withheld(&case), ["`in_1` was refunded in full"]);
    assert_eq!(decide(&case).expected.withheld[0].refund, Refund::Yes);
    assert_eq!(steps(&case), ["revoke premium as refund"]);
}

#[test]
fn a_refunded_term_is_not_granted_again_but_a_new_paid_one_is() {
    let mut case = after(refund(999));
    carry_out(&mut case);
    case.now = day(5);
    assert_eq!(steps(&case), Vec::<String>::new());
    let mut renewed = second_month(InvoiceStatus::Paid);
    renewed.invoices[0].money_back = refund(999);
    let renewed = later(case, day(30), [renewed]);
    assert_eq!(steps(&renewed), ["grant premium until 2026-03-02T02:00:00Z by in_2"]);
}

#[test]
fn a_refund_of_an_older_term_takes_nothing() {
    let mut sub = second_month(InvoiceStatus::Paid);
    sub.invoices[0].money_back = refund(999);
    assert_eq!(until(&of(day(31), [sub])).0, day(60) + hours(2));
}

#[test]
fn a_partial_refund_is_policy() {
    let mut case = after(refund(500));
    assert_eq!((until(&case).0, steps(&case)), (day(30) + hours(2), vec![]));
    case.rules.policy.partial_refund = Choice::Revoke;
    assert_eq!(withheld(&case), ["`in_1` was refunded in part, and `policy.partial_refund = \"revoke\"`"]);
    assert_eq!(steps(&case), ["revoke premium as refund"]);
}

#[test]
fn a_full_refund_can_be_kept_by_policy() {
    let mut case = after(refund(999));
    case.rules.policy.full_refund = Choice::Keep;
    assert_eq!(steps(&case), Vec::<String>::new());
}

#[test]
fn a_refund_that_failed_restores_the_right() {
    let case = later(after(refund(999)), day(5), [first_month()]);
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
}

#[test]
fn a_lost_dispute_is_a_refund_and_a_won_one_restores() {
    let lost = after(dispute(DisputeState::Lost));
    assert_eq!(withheld(&lost), ["the dispute of `in_1` was lost"]);
    assert_eq!(steps(&lost), ["revoke premium as refund"]);
    let won = later(lost, day(9), [with_back(dispute(DisputeState::Won))]);
    assert_eq!(steps(&won), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
}

#[test]
fn an_open_dispute_is_policy_and_no_refund() {
    let mut case = after(dispute(DisputeState::Open));
    assert_eq!(steps(&case), Vec::<String>::new());
    case.rules.policy.dispute_opened = Choice::Revoke;
    assert_eq!(withheld(&case), ["`in_1` is disputed, and `policy.dispute_opened = \"revoke\"`"]);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn warnings_and_states_newer_than_us_take_nothing() {
    let unknown = DisputeState::Unknown("appeal".into());
    let alarm =
        "the dispute of `in_1` has the status `appeal`, which this version does not know; access is left as it \
                 is; update grantsync"
            .to_owned();
    for (state, alarms) in [(DisputeState::Warning, vec![]), (unknown, vec![alarm])] {
        let plan = decide(&after(dispute(state)));
        let said: Vec<_> = plan.expected.alarms.iter().map(ToString::to_string).collect();
        assert_eq!((plan.steps, said), (vec![], alarms));
    }
}

#[test]
fn a_refunded_cancel_is_a_refund() {
    let ended = Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..with_back(refund(999)) };
    assert_eq!(steps(&later(of(day(3), [first_month()]), day(5), [ended])), ["revoke premium as refund"]);
}

#[test]
fn a_refunded_proration_alone_takes_nothing() {
    let mut sub = first_month();
    let change = InvoiceReason::SubscriptionUpdate;
    let mut proration = invoice("in_2", change, InvoiceStatus::Paid, "month", period(10, 30));
    proration.lines[0].proration = true;
    proration.money_back = refund(999);
    sub.invoices.push(proration);
    assert_eq!(until(&of(day(11), [sub])).0, day(30) + hours(2));
}

#[test]
fn a_free_term_cannot_be_refunded() {
    let mut free = with_back(refund(0));
    free.invoices[0].total.minor = 0;
    assert_eq!(until(&of(day(3), [free])).0, day(30) + hours(2));
}

#[test]
fn a_refund_of_one_never_takes_what_another_covers() {
    let other = Subscription { id: "sub_2".into(), ..first_month() };
    let case = later(of(day(3), [first_month()]), day(4), [with_back(refund(999)), other]);
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_2"]);
}

#[test]
fn a_refund_of_one_chain_says_nothing_of_another() {
    let paused = Subscription { status: Status::Paused, ..first_month() };
    let other = Subscription { id: "sub_2".into(), ..with_back(refund(999)) };
    assert_eq!(steps(&later(of(day(3), [first_month()]), day(4), [paused, other])), ["revoke premium"]);
}

#[test]
fn money_that_went_back_comes_before_any_other_reason_of_a_chain() {
    let mut sub = with_back(refund(999));
    sub.items.push(crate::model::billing::Item { quantity: 0, ..item("si_2", "year", period(0, 365)) });
    assert_eq!(steps(&later(of(day(3), [first_month()]), day(4), [sub])), ["revoke premium as refund"]);
}

#[test]
fn what_was_refunded_is_not_given_back_while_refunds_cannot_be_read_but_a_new_term_is_given() {
    let mut case = later(after(refund(999)), day(5), [first_month()]);
    case.billing.gaps.push(Gap { about: About::MoneyBack, what: "refunds".into() });
    let kept = "the user keeps exactly what they have, because grantsync could not read refunds; until it can, \
                access goes on as if nothing had been refunded, and what was taken back is not given again";
    assert_eq!((steps(&case), notes(&case)), (vec![], vec![kept.to_owned()]));
    (case.now, case.billing.subscriptions) = (day(31), vec![second_month(InvoiceStatus::Paid)]);
    assert_eq!(steps(&case), ["grant premium until 2026-03-02T02:00:00Z by in_2"]);
}
