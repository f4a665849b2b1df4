//! Where a customer stands.

use super::*;
use crate::model::profile::StoreSubscription;
use crate::status::{Carried, LevelStatus};

fn of_case(case: &Case, carried: Carried) -> crate::status::Status {
    crate::status::Status::of(case, &decide(case), carried)
}

fn only(case: &Case) -> LevelStatus {
    let status = of_case(case, Carried::Out);
    assert_eq!(status.levels.len(), 1, "{status:?}");
    status.levels[0].clone()
}

#[test]
fn what_is_expected_is_active_to_its_end_and_says_whether_it_renews() {
    let case = of(day(3), [first_month()]);
    let right = only(&case);
    assert_eq!((right.store.as_deref(), right.will_renew, right.in_grace), (Some("stripe"), Some(true), false));
    let end = right.until.and_then(Until::at).unwrap();
    assert!(right.is_active(day(3), false) && !right.is_active(end, false));
}

#[test]
fn a_right_that_was_to_renew_is_taken_to_have_renewed_when_nobody_could_read() {
    let case = of(day(3), [first_month()]);
    let (right, late) = (only(&case), day(60));
    assert!(right.is_active(late, true) && !right.is_active(late, false));
    let ends = LevelStatus { will_renew: Some(false), ..right };
    assert!(!ends.is_active(late, true));
}

#[test]
fn what_is_withheld_shows_the_paywall_and_why() {
    let mut case = later(of(day(3), [first_month()]), day(5), [first_month()]);
    case.billing.subscriptions[0].status = Status::Paused;
    let status = of_case(&case, Carried::Out);
    assert!(status.paywall(day(5), false) && status.paywall(day(5), true));
    assert!(status.levels[0].because.contains("paused"), "{status:?}");
    // what is only observed stays as it is shown
    assert!(!of_case(&case, Carried::Not).paywall(day(5), false));
}

#[test]
fn the_longer_right_of_another_store_counts_and_both_are_shown() {
    let mut case = of(day(3), [first_month()]);
    case.profile.levels = vec![foreign("premium", Until::At(day(300)))];
    let status = of_case(&case, Carried::Out);
    assert!(status.double_subscription);
    assert_eq!(status.levels[0].store.as_deref(), Some("app_store"));
    assert_eq!(status.levels[0].until, Some(Until::At(day(300))));
    case.profile.levels = vec![foreign("premium", Until::At(day(4)))];
    assert_eq!(only(&case).store.as_deref(), Some("stripe"));
}

#[test]
fn a_store_that_is_paid_behind_our_longer_right_is_shown() {
    let granted = later(of(day(3), [first_month()]), day(4), [first_month()]);
    let sold = |until, sandbox| StoreSubscription {
        store: "app_store".into(),
        product: "ios".into(),
        until: Until::At(until),
        sandbox,
    };
    let is_double = |sold: StoreSubscription, change: &dyn Fn(&mut Case)| {
        let mut case = granted.clone();
        let sandbox = case.rules.mode == Mode::Test;
        case.profile.sold = vec![StoreSubscription { sandbox: sandbox != sold.sandbox, ..sold }];
        change(&mut case);
        of_case(&case, Carried::Out).double_subscription
    };
    let running = || sold(day(20), false);
    assert!(is_double(running(), &|_| {}));
    assert!(!is_double(sold(day(4), false), &|_| {}), "it is over");
    assert!(!is_double(sold(day(20), true), &|_| {}), "it is of the other environment");
    assert!(!is_double(sold(day(300), false), &|_| {}), "it would show, if it opened this level");
    assert!(!is_double(StoreSubscription { store: "stripe".into(), ..running() }, &|_| {}), "it is ours");
    let shows_gold = |case: &mut Case| case.profile.levels.push(foreign("gold", Until::At(day(20))));
    assert!(!is_double(running(), &shows_gold), "it opens another level");
    assert!(!is_double(running(), &|case| case.billing.subscriptions.clear()), "we are not paid");
}

#[test]
fn a_level_that_only_another_store_gives_is_active() {
    let mut case = of(day(3), []);
    case.profile.levels = vec![foreign("gold", Until::Lifetime)];
    let right = only(&case);
    assert!(right.is_active(day(3), false));
    assert_eq!((right.will_renew, right.until), (None, Some(Until::Lifetime)));
}

#[test]
fn a_failed_card_is_a_billing_issue_in_grace() {
    let unpaid = Subscription { status: Status::PastDue, ..second_month(InvoiceStatus::Open) };
    let case = of(day(31), [unpaid]);
    let right = only(&case);
    assert!(right.in_grace && right.billing_issue, "{right:?}");
}
