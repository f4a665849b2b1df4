//! What was done before, what shows, and what is ours.

use super::*;
use crate::model::billing::{Discount, Line, Stop};
use crate::model::ledger::Entry;
use crate::model::rules::Protocol;

fn granted() -> Case {
    later(of(day(3), [first_month()]), day(4), [first_month()])
}

fn paused() -> Subscription {
    Subscription { status: Status::Paused, ..first_month() }
}

/// The case whose first grant was written down, and nothing more.
fn intended(now: i64) -> Case {
    let mut case = of(day(3), [first_month()]);
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, day(3));
    case.now = day(3) + seconds(now);
    case
}

fn state(case: &mut Case) -> &mut State {
    &mut case.ledger.entries.last_mut().unwrap().state
}

#[test]
fn what_was_granted_and_shows_needs_nothing() {
    assert_eq!(
        (steps(&granted()), notes(&granted())),
        (vec![], vec!["the destination already shows this; nothing to send".to_owned()])
    );
}

#[test]
fn an_intended_step_that_does_not_show_is_sent_under_the_same_key() {
    let case = intended(5);
    let plan = decide(&case);
    assert_eq!(plan.steps[0].key, case.ledger.entries[0].key);
    assert_eq!((plan.settled.len(), plan.dropped.len()), (0, 0));
}

#[test]
fn an_intended_step_that_shows_is_settled_and_not_sent() {
    let mut case = intended(5);
    show(&mut case.profile, &case.ledger.entries[0].step.clone(), day(3));
    let plan = decide(&case);
    assert_eq!((plan.settled.as_slice(), plan.steps.len()), ([case.ledger.entries[0].key.clone()].as_slice(), 0));
}

#[test]
fn a_step_that_failed_waits_for_its_time() {
    let mut case = intended(5);
    *state(&mut case) = State::Intended { attempts: 2, due: day(4) };
    let plan = decide(&case);
    assert_eq!((plan.steps, plan.sync_again_at), (vec![], Some(day(4))));
    assert_eq!(notes(&case), ["the last request failed; it is tried again at 2026-01-05T00:00:00Z"]);
    case.now = day(4);
    assert_eq!(decide(&case).steps[0].attempts, 2);
}

#[test]
fn a_refused_step_is_not_sent_again_but_another_is() {
    let mut case = intended(5);
    *state(&mut case) = State::Refused { at: day(3), why: "no such level".into() };
    let plan = decide(&case);
    assert_eq!((plan.steps.len(), plan.refused.len()), (0, 1));
    assert_eq!(notes(&case), ["the destination refused it: no such level"]);
    case.billing.subscriptions[0].stops_at_period_end = true;
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T00:00:00Z by sub_1"]);
}

#[test]
fn an_intended_step_that_is_no_longer_wanted_is_dropped_and_synced_after_the_lag() {
    let mut case = intended(5);
    case.billing.subscriptions = vec![paused()];
    let plan = decide(&case);
    assert_eq!((plan.dropped.len(), plan.steps.len(), plan.sync_again_at), (1, 0, Some(case.now + seconds(30))));
    write_down(&mut case.ledger, &plan, case.now);
    case.now += seconds(10);
    assert_eq!(decide(&case).sync_again_at, Some(case.now + seconds(20)), "also when the first sync was cut off");
    show(&mut case.profile, &case.ledger.entries[0].step.clone(), day(3));
    assert_eq!(steps(&case), ["revoke premium"], "it arrived after all");
}

#[test]
fn a_dropped_step_that_is_wanted_again_keeps_its_key() {
    let mut case = intended(5);
    *state(&mut case) = State::Dropped { at: day(3) };
    assert_eq!(decide(&case).steps[0].key, case.ledger.entries[0].key);
}

#[test]
fn a_profile_that_lags_is_waited_for_and_then_believed() {
    let mut case = granted();
    case.profile.levels.clear();
    case.now = day(3) + seconds(29);
    let sentence = "the destination accepted the last request moments ago, and its profile may take up to \
                    `policy.profile_lag` to show it; there is nothing to do";
    assert_eq!((steps(&case), notes(&case)), (vec![], vec![sentence.to_owned()]));
    assert_eq!(decide(&case).sync_again_at, Some(day(3) + seconds(30)));
    case.now = day(3) + seconds(30);
    let plan = decide(&case);
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].previous.as_ref(), Some(&case.ledger.entries[0].key));
    assert_ne!(plan.steps[0].key, case.ledger.entries[0].key);
}

#[test]
fn a_profile_that_lags_behind_a_revoke_is_waited_for() {
    let mut case = later(granted(), day(4), [paused()]);
    let before = case.profile.clone();
    carry_out(&mut case);
    case.profile = before;
    case.now += seconds(10);
    assert_eq!((steps(&case), decide(&case).sync_again_at), (vec![], Some(day(4) + seconds(30))));
    case.now += seconds(20);
    assert_eq!(steps(&case), ["revoke premium"]);
}

#[test]
fn a_profile_that_lags_does_not_prove_a_revoke() {
    let mut case = of(day(3), [first_month()]);
    let before = case.profile.clone();
    carry_out(&mut case);
    (case.profile, case.now) = (before, day(3) + seconds(5));
    case.billing.subscriptions = vec![paused()];
    let plan = decide(&case);
    assert_eq!(steps(&case), ["revoke premium"]);
    write_down(&mut case.ledger, &plan, case.now);
    case.now += seconds(5);
    let again = decide(&case);
    assert_eq!((again.settled.len(), again.steps[0].key.clone()), (0, plan.steps[0].key.clone()));
    assert_eq!(again.sync_again_at, Some(day(3) + seconds(30)));
}

#[test]
fn a_profile_that_lags_does_not_prove_a_grant_sent_before() {
    let mut case = later(granted(), day(4), [paused()]);
    let shown = case.profile.clone();
    carry_out(&mut case);
    (case.profile, case.billing.subscriptions) = (shown, vec![first_month()]);
    case.now += seconds(5);
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, case.now);
    case.now += seconds(5);
    assert_eq!((decide(&case).settled, decide(&case).steps.len()), (vec![], 1));
}

#[test]
fn what_is_accepted_and_never_shown_is_written_ever_more_rarely() {
    let mut case = granted();
    let mut waits = vec![];
    case.profile.levels.clear();
    case.now = day(3) + seconds(30);
    for _ in 0..4 {
        carry_out(&mut case);
        case.profile.levels.clear();
        let sent = case.now;
        while decide(&case).steps.is_empty() {
            case.now = decide(&case).sync_again_at.unwrap();
        }
        waits.push((case.now - sent).num_seconds());
    }
    assert_eq!(waits, [60, 120, 240, 480]);
}

#[test]
fn a_right_that_vanished_is_written_again_at_once() {
    let mut case = granted();
    case.profile.levels.clear();
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
}

#[test]
fn a_right_that_was_changed_by_hand_is_corrected() {
    let mut case = granted();
    case.profile.levels[0].until = Until::At(day(300));
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
}

#[test]
fn the_clock_may_go_back_without_a_key_being_sent_twice() {
    let mut case = later(granted(), day(4), [paused()]);
    case.now = day(2);
    carry_out(&mut case);
    case.now = day(5);
    assert_eq!(steps(&case), Vec::<String>::new());
}

#[test]
fn a_right_of_another_store_is_never_taken_or_shortened() {
    let mut case = later(granted(), day(5), [paused()]);
    case.profile.levels = vec![foreign("premium", Until::At(day(300)))];
    let keeps = "this access comes from `app_store`; grantsync did not give it and does not remove it";
    assert_eq!((steps(&case), notes(&case)), (vec![], vec![keeps.to_owned()]));
    case.billing.subscriptions = vec![first_month()];
    let lasts = "already unlocked through `app_store` until 2026-10-28T00:00:00Z, so nothing is sent";
    let twice =
        "double subscription: `app_store` and `sub_1` are both paid for this level; one of the two should be cancelled";
    assert_eq!((steps(&case), notes(&case)), (vec![], vec![lasts.to_owned(), twice.to_owned()]));
}

#[test]
fn a_promotion_of_the_destination_is_not_paid_twice() {
    let mut case = of(day(3), [first_month()]);
    case.profile.levels = vec![foreign("premium", Until::At(day(300)))];
    case.profile.levels[0].store = Some("adapty".into());
    assert_eq!(notes(&case).iter().filter(|note| note.contains("double")).count(), 0);
}

#[test]
fn our_right_behind_that_of_another_store_is_read_when_that_one_ends() {
    let mut case = later(granted(), day(5), [paused()]);
    case.profile.levels = vec![foreign("premium", Until::At(day(10)))];
    assert_eq!((steps(&case), decide(&case).sync_again_at), (vec![], Some(day(10))));
}

#[test]
fn a_case_of_nobody_is_decided_alike() {
    let sent = later(granted(), day(5), [paused()]);
    let plan = decide(&sent.clone().anonymous());
    assert_eq!((plan.steps.len(), plan.dropped, plan.settled), (1, vec![], vec![]));
    assert_eq!(plan.steps[0].step, decide(&sent).steps[0].step);
    let settled = granted().anonymous();
    assert_eq!((steps(&settled), settled.profile.user.as_str()), (vec![], "nobody"));
}

#[test]
fn a_step_that_waits_is_waited_for_in_a_case_of_nobody_too() {
    let mut case = later(granted(), day(5), [paused()]);
    let plan = decide(&case);
    write_down(&mut case.ledger, &plan, day(5));
    *state(&mut case) = State::Intended { attempts: 2, due: day(6) };
    let nobody = decide(&case.anonymous());
    assert_eq!((nobody.steps, nobody.dropped, nobody.sync_again_at), (vec![], vec![], Some(day(6))));
}

#[test]
fn a_shorter_right_of_another_store_is_outlasted() {
    let mut case = of(day(3), [first_month()]);
    case.profile.levels = vec![foreign("premium", Until::At(day(10)))];
    assert_eq!(steps(&case), ["grant premium until 2026-01-31T02:00:00Z by sub_1"]);
}

#[test]
fn a_right_of_another_store_in_front_of_a_fresh_one_of_ours_is_waited_for() {
    let mut case = later(of(day(3), [first_month()]), day(3) + seconds(5), [paused()]);
    case.profile.levels = vec![foreign("premium", Until::At(day(10)))];
    assert_eq!((steps(&case), decide(&case).sync_again_at), (vec![], Some(day(3) + seconds(30))));
}

#[test]
fn a_level_that_we_never_granted_is_never_touched() {
    let mut case = of(day(3), [paused()]);
    case.profile.levels = vec![foreign("gold", Until::Lifetime)];
    assert_eq!(decide(&case).steps, vec![]);
    case.profile.levels[0].store = Some("stripe".into());
    assert_eq!(decide(&case).steps, vec![]);
}

#[test]
fn a_profile_that_names_no_transaction_is_ours_by_its_store() {
    let mut case = later(granted(), day(5), [paused()]);
    for (store, taken) in [(Some("stripe"), 1), (None, 0), (Some("app_store"), 0)] {
        let shown = &mut case.profile.levels[0];
        (shown.original_transaction_id, shown.transaction_id, shown.store) = (None, None, store.map(Into::into));
        assert_eq!(steps(&case).len(), taken, "{store:?}");
    }
}

#[test]
fn a_right_that_is_shown_without_its_transaction_is_ours_by_the_destinations_own_words() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::AccessOnly;
    let case = later(case, day(4), [first_month()]);
    assert!(case.profile.levels[0].is_bare(), "{:?}", case.profile);
    assert_eq!(decide(&case).steps, vec![], "what is shown is what was sent");
    let mut ended = later(case, day(5), [paused()]);
    assert_eq!(steps(&ended), ["revoke premium"]);
    // a gift from the dashboard is not the API's
    ended.profile.levels[0].product = Some("adapty_dashboard_product".into());
    assert_eq!(decide(&ended).steps, vec![]);
}

#[test]
fn another_protocol_sends_nothing_again() {
    for (protocol, then) in
        [(Protocol::AccessWithSale, Protocol::AccessOnly), (Protocol::AccessOnly, Protocol::AccessWithSale)]
    {
        let mut case = of(day(3), [first_month()]);
        case.rules.protocol = protocol;
        let mut case = later(case, day(4), [first_month()]);
        case.rules.protocol = then;
        for now in [day(4), day(5)] {
            case.now = now;
            assert_eq!(decide(&case).steps, vec![], "{protocol:?} to {then:?}");
        }
        let ended = later(case, day(6), [paused()]);
        assert_eq!(steps(&ended), ["revoke premium"], "{protocol:?} to {then:?}");
    }
}

#[test]
fn what_vanished_is_sent_again_by_the_protocol_of_today_and_can_be_taken_back() {
    for (protocol, then) in [
        (Protocol::AccessWithSale, Protocol::AccessOnly),
        (Protocol::AccessOnly, Protocol::AccessWithSale),
        (Protocol::AccessWithSale, Protocol::SalesAndAccess),
    ] {
        let mut case = of(day(3), [first_month()]);
        case.rules.protocol = protocol;
        let mut case = later(case, day(4), [first_month()]);
        (case.rules.protocol, case.now) = (then, day(5));
        case.profile.levels.clear();
        let plan = decide(&case);
        let Step::GrantAccess(grant) = &plan.steps[0].step else { panic!("{plan:?}") };
        assert_eq!(grant.is_bare(), then != Protocol::AccessWithSale);
        let ended = later(case, day(6), [paused()]);
        assert_eq!(steps(&ended), ["revoke premium"], "{protocol:?} to {then:?}");
    }
}

#[test]
fn a_gift_of_another_s_api_that_lasts_longer_is_neither_shortened_nor_taken() {
    for protocol in [Protocol::SalesAndAccess, Protocol::AccessOnly] {
        let mut case = of(day(3), [first_month()]);
        case.rules.protocol = protocol;
        let mut case = later(case, day(4), [first_month()]);
        let gift = &mut case.profile.levels[0];
        (gift.until, gift.store, gift.product) =
            (Until::Lifetime, Some("adapty".into()), Some("adapty_server_side_product".into()));
        case.now = day(5);
        assert_eq!(decide(&case).steps, vec![], "{protocol:?}");
        let mut ended = case.clone();
        ended.billing.subscriptions = vec![paused()];
        assert_eq!(decide(&ended).steps, vec![], "{protocol:?}");
    }
}

#[test]
fn a_level_without_its_transaction_does_not_confirm_the_next_transaction() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let mut case = later(case, day(4), [first_month()]);
    // the product brought nothing, so the level was granted beside
    let shown = &mut case.profile.levels[0];
    (shown.store, shown.product) = (Some("adapty".into()), Some("adapty_server_side_product".into()));
    case.now = day(5);
    let granted = case.ledger.entries.iter().find_map(|entry| match &entry.step {
        Step::GrantAccess(grant) => Some(grant.clone()),
        Step::RevokeAccess(_) | Step::ReportSale(_) | Step::SetAttributes(_) => None,
    });
    let mut next = granted.unwrap();
    next.sale.id = "in_9".into();
    let key = crate::model::key::StepKey::stored("another".into());
    let state = State::Intended { attempts: 0, due: day(4) };
    case.ledger.entries.push(Entry { seq: 9, key, step: Step::GrantAccess(next), state });
    assert_eq!(decide(&case).settled, vec![], "nobody knows whether it arrived");
}

#[test]
fn each_product_of_a_subscription_has_a_transaction_of_its_own() {
    let mut two = first_month();
    two.items.push(item("si_2", "gold", period(0, 30)));
    let mut case = of(day(3), [two]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let plan = decide(&case);
    let standings = plan.expected.entitlements.iter().filter_map(|right| right.sale.status.as_ref());
    let ids: Vec<[&str; 2]> = standings.map(|status| [status.id.as_str(), status.original.as_str()]).collect();
    assert_eq!(ids, [["sub_1:si_2"; 2], ["sub_1"; 2]]);
    assert!(plan.expected.entitlements.iter().all(|right| right.sale.id == "sub_1"), "it is one chain to us");
}

#[test]
fn a_country_that_is_not_known_any_more_is_no_news() {
    let at_home = || Subscription { country: Some("DE".into()), ..first_month() };
    let mut case = of(day(3), [at_home()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let case = later(case, day(4), [first_month()]);
    assert_eq!(decide(&case).steps, vec![]);
    let moved = Subscription { country: Some("FR".into()), ..first_month() };
    assert_eq!(decide(&later(case, day(5), [moved])).steps.len(), 1);
}

#[test]
fn what_is_learnt_of_a_sale_after_its_first_report_is_no_news() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let mut known = first_month();
    known.variation = Some("paywall".into());
    let discount = Discount { coupon: "SUMMER".into(), code: None };
    known.invoices[0].lines[0].discount = Some(discount);
    let mut case = later(case, day(4), [known.clone()]);
    assert_eq!(decide(&case).steps, vec![]);
    case.rules.protocol = Protocol::AccessWithSale;
    assert_eq!(decide(&case).steps, vec![], "nor by the other way");
    case.rules.protocol = Protocol::SalesAndAccess;
    let stops = Subscription { stops_at_period_end: true, canceled_at: Some(day(4)), stop: None, ..known.clone() };
    let case = later(case, day(5), [stops.clone()]);
    let case = later(case, day(6), [Subscription { stop: Some(Stop::Asked), ..stops.clone() }]);
    assert_eq!(decide(&case).steps, vec![], "why it was stopped is reported with the stop");
    let renewed = second_month(InvoiceStatus::Paid);
    let again = Subscription { stop: Some(Stop::Asked), variation: known.variation, ..renewed };
    let Step::ReportSale(report) = &decide(&later(case, day(31), [again])).steps[0].step else { panic!("no report") };
    assert_eq!(report.sale.status.as_ref().unwrap().variation.as_deref(), Some("paywall"));
}

#[test]
fn a_stop_is_reported_with_its_reason_and_a_coupon_with_the_sale() {
    let mut sub = first_month();
    let discount = Discount { coupon: "SUMMER".into(), code: Some("promo_1".into()) };
    sub.invoices[0].lines[0].discount = Some(discount);
    let mut case = of(day(3), [sub.clone()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    assert_eq!(decide(&case).expected.entitlements[0].sale.offer, Some(Offer::Code("promo_1".into())));
    let stops = Subscription { stops_at_period_end: true, canceled_at: Some(day(4)), stop: Some(Stop::Asked), ..sub };
    let plan = decide(&later(case, day(4), [stops]));
    let status = plan.expected.entitlements[0].sale.status.as_ref().unwrap();
    assert_eq!((plan.steps.len(), status.stop), (1, Some(Stop::Asked)));
}

#[test]
fn an_item_that_is_removed_leaves_the_others_their_ids() {
    let mut two = first_month();
    two.items.push(item("si_2", "gold", period(0, 30)));
    let mut case = of(day(3), [two.clone()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    two.items.remove(0);
    let mut case = later(case, day(4), [two]);
    let gold = decide(&case).expected.entitlements[0].sale.status.clone().unwrap();
    assert_eq!(gold.id, "sub_1:si_2");
    case.billing.subscriptions[0].items.push(item("si_0", "month", period(0, 30)));
    let plan = decide(&case);
    let ids: Vec<_> =
        plan.expected.entitlements.iter().map(|right| right.sale.status.as_ref().unwrap().id.as_str()).collect();
    assert_eq!(ids, ["sub_1:si_2", "sub_1:si_0"]);
}

#[test]
fn what_concerns_a_subscription_concerns_each_of_its_products() {
    let mut two = first_month();
    two.items.push(item("si_2", "gold", period(0, 30)));
    let line = two.invoices[0].lines[0].clone();
    let (price, product, item) = (Some("gold".into()), Some("prod_gold".into()), Some("si_2".into()));
    two.invoices[0].lines.push(Line { price, product, item, ..line });
    let mut case = of(day(3), [two.clone()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let case = later(case, day(4), [two.clone()]);
    assert_eq!((case.profile.levels.len(), decide(&case).steps.len()), (2, 0));
    let mut simulated = case.clone();
    simulated.billing.subscriptions[0].on_test_clock = true;
    assert_eq!(decide(&simulated).steps, vec![], "unknown is not no, of both");
    two.invoices[0].money_back = refund(999);
    let refunded = later(case, day(5), [two]);
    let expected = ["report sub_1 as refund", "report sub_1 as refund", "revoke gold", "revoke premium"];
    assert_eq!(steps(&refunded), expected);
}

#[test]
fn an_id_that_is_too_long_is_known_again_when_it_shows() {
    let session = format!("cs_live_{}", "a".repeat(58));
    let mut case = of(day(3), []);
    case.rules.protocol = Protocol::SalesAndAccess;
    case.billing.purchases = vec![purchase(&session, "life", day(2))];
    carry_out(&mut case);
    let Step::ReportSale(report) = case.ledger.entries[0].step.clone() else { panic!("{:?}", case.ledger) };
    assert!(report.id().len() <= 50 && report.id() != session, "{report:?}");
    // its product brings the level
    let shown = &mut case.profile.levels[0];
    (shown.store, shown.product) = (Some("stripe".into()), Some(report.sale.product.clone()));
    (shown.transaction_id, shown.original_transaction_id) = (Some(report.id()), Some(report.id()));
    case.now = day(4);
    assert_eq!(decide(&case).steps, vec![]);
    case.billing.purchases[0].money_back = refund(2000);
    assert_eq!(steps(&case), [format!("report {session} as refund")], "which takes the level");
}

#[test]
fn a_refund_names_what_was_refunded() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let case = later(case, day(30) + hours(1), [second_month(InvoiceStatus::Paid)]);
    let mut renewed = second_month(InvoiceStatus::Paid);
    let newest = renewed.invoices.iter_mut().max_by_key(|invoice| invoice.created).unwrap();
    newest.money_back = refund(newest.total.minor);
    let (id, total) = (newest.id.clone(), newest.total.clone());
    let case = later(case, day(31), [renewed]);
    let plan = decide(&case);
    let Step::ReportSale(report) = &plan.steps[0].step else { panic!("{plan:?}") };
    assert_eq!((&report.sale.id, report.sale.price.as_ref().map(|of| of.minor)), (&id, Some(total.minor)));
}

#[test]
fn an_end_before_its_time_is_reported_of_the_transaction_that_was_paid_for() {
    let ended = || Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..first_month() };
    for protocol in [Protocol::AccessWithSale, Protocol::SalesAndAccess, Protocol::AccessOnly] {
        let mut case = of(day(3), [first_month()]);
        case.rules.protocol = protocol;
        let sent = execute(&mut later(case, day(5), [ended()]));
        let report = sent.iter().find_map(|planned| match &planned.step {
            Step::ReportSale(report) => Some(report),
            Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) => None,
        });
        let status = report.and_then(|report| report.sale.status.as_ref());
        let reported = status.map(|status| (status.renews, status.stopped_at, status.paid_until));
        let expected = (false, Some(day(4)), Until::At(day(30) + hours(2)));
        assert_eq!(reported, (protocol == Protocol::SalesAndAccess).then_some(expected), "{protocol:?}");
        assert!(matches!(sent.last().unwrap().step, Step::RevokeAccess(_)), "{protocol:?}");
    }
}

#[test]
fn a_pause_is_reported_as_no_end() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let paused = Subscription { status: Status::Paused, ..first_month() };
    assert_eq!(steps(&later(case, day(5), [paused])), ["revoke premium"]);
}

#[test]
fn a_refund_that_is_accepted_and_still_shown_is_reported_ever_more_rarely() {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = Protocol::SalesAndAccess;
    let mut refunded = first_month();
    refunded.invoices[0].money_back = refund(999);
    let mut case = later(case, day(4), [refunded]);
    let shown = case.profile.levels.clone();
    let mut waits = vec![];
    for _ in 0..4 {
        carry_out(&mut case);
        case.profile.levels.clone_from(&shown);
        let sent = case.now;
        while decide(&case).steps.is_empty() {
            case.now = decide(&case).sync_again_at.unwrap();
        }
        waits.push((case.now - sent).num_seconds());
    }
    assert_eq!(waits, [30, 60, 120, 240]);
}

#[test]
fn a_customer_the_destination_does_not_know_is_granted_all_the_same() {
    let mut case = of(day(3), [first_month()]);
    case.profile = Profile::absent(case.profile.user);
    assert_eq!(steps(&case).len(), 1);
}

#[test]
fn a_confirmed_key_is_passed_over_even_in_a_book_out_of_order() {
    let mut case = granted();
    case.profile.levels.clear();
    let next = decide(&case).steps.remove(0);
    let at = State::Confirmed { at: day(3) };
    case.ledger.entries.push(Entry { seq: 0, key: next.key.clone(), step: next.step, state: at });
    assert_ne!(decide(&case).steps[0].key, next.key);
}

#[test]
fn a_step_is_written_down_once() {
    let mut case = intended(5);
    let plan: Plan = decide(&case);
    intend(&mut case.ledger, &plan.steps[0], case.now);
    assert_eq!(case.ledger.entries.len(), 1);
}
