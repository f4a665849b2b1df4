//! What shows, what may still come to show, and when to sync.

use super::*;

fn granted() -> Case {
    of(day(3), [first_month()])
}

fn paused() -> Subscription {
    Subscription { status: Status::Paused, ..first_month() }
}

/// The case whose plan was written down and arrived, and was never answered.
fn unanswered(mut case: Case) -> Case {
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, case.now);
    plan.steps.iter().for_each(|planned| show(&mut case.profile, &planned.step, case.now));
    case.now += seconds(5);
    case
}

#[test]
fn an_intended_revoke_that_shows_is_settled() {
    let plan = decide(&unanswered(later(granted(), day(5), [paused()])));
    assert_eq!((plan.settled.len(), plan.dropped, plan.steps), (1, vec![], vec![]));
}

#[test]
fn a_grant_that_nothing_older_can_have_made_is_settled_within_the_lag() {
    let stopping = Subscription { stops_at_period_end: true, ..first_month() };
    let case = unanswered(later(granted(), day(3) + seconds(5), [stopping]));
    let plan = decide(&case);
    assert_eq!((plan.settled, plan.steps), (vec![case.ledger.entries[1].key.clone()], vec![]));
}

#[test]
fn a_grant_that_something_older_may_have_made_is_read_after_the_lag() {
    let mut case = later(granted(), day(3) + seconds(5), [first_month()]);
    case.rules.catalog.0[0] = called(offering("month", "premium", None), "com.app.month");
    let plan = decide(&unanswered(case));
    assert_eq!((plan.settled, plan.sync_again_at), (vec![], Some(day(3) + seconds(30))));
}

#[test]
fn a_grant_that_shows_needs_no_sync_after_the_lag() {
    let case = later(granted(), day(3) + seconds(5), [first_month()]);
    assert_eq!(decide(&case).sync_again_at, Some(day(30) + hours(2)));
}

#[test]
fn what_was_accepted_again_and_does_not_show_is_said_to_be() {
    let mut case = later(granted(), day(4), [first_month()]);
    case.profile.levels.clear();
    carry_out(&mut case);
    case.profile.levels.clear();
    case.now += seconds(5);
    let sentence = "the destination accepted it 2 times and does not show it; check whether another integration writes \
                    this level";
    assert_eq!(notes(&case), [sentence]);
}

#[test]
fn a_right_of_another_store_that_ends_with_ours_outlasts_it() {
    let mut case = granted();
    case.profile.levels = vec![foreign("premium", Until::At(day(30) + hours(2)))];
    assert_eq!(steps(&case), Vec::<String>::new());
}

#[test]
fn a_right_of_ours_that_ends_with_that_of_another_store_needs_no_sync() {
    let mut case = later(granted(), day(5), [paused()]);
    let other = foreign("premium", Until::At(day(30) + hours(2)));
    case.profile.levels = vec![crate::model::profile::ActualLevel { will_renew: Some(false), ..other }];
    assert_eq!((steps(&case), decide(&case).sync_again_at), (vec![], None));
}

#[test]
fn a_right_without_a_chain_is_ours_by_its_transaction_or_our_chain() {
    let mut case = later(of(day(31), [second_month(InvoiceStatus::Paid)]), day(32), [paused()]);
    for (sale, taken) in [("in_2", 1), ("sub_1", 1), ("2000000123", 0)] {
        let shown = &mut case.profile.levels[0];
        (shown.original_transaction_id, shown.transaction_id) = (None, Some(sale.into()));
        assert_eq!(steps(&case).len(), taken, "{sale}");
    }
}
