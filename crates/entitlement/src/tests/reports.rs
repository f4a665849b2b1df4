//! What is reported beside grants and revokes.

use super::*;
use crate::model::key::StepKey;
use crate::model::ledger::Entry;
use crate::model::overrides::Block;
use crate::model::rules::Protocol;
use crate::model::sale::Sale;
use crate::model::step::{GrantAccess, SaleEvent};

fn status(case: Case) -> Case {
    let mut case = case;
    case.rules.protocol = Protocol::SalesAndAccess;
    case
}

fn refunded(sub: Subscription) -> Subscription {
    let mut sub = sub;
    sub.invoices.iter_mut().for_each(|invoice| invoice.money_back = refund(999));
    sub
}

fn ended(sub: Subscription, at: i64) -> Subscription {
    Subscription { status: Status::Canceled, ended_at: Some(day(at)), ..sub }
}

fn other(sub: Subscription) -> Subscription {
    Subscription { id: "sub_2".into(), ..sub }
}

/// What is done now, and whether nothing is left to do after it.
fn done(case: &Case) -> (Vec<String>, bool) {
    let mut after = case.clone();
    carry_out(&mut after);
    (steps(case), decide(&after).steps.is_empty())
}

#[test]
fn what_is_paid_for_is_reported_while_the_right_of_another_store_lasts_longer() {
    let mut case = of(day(3), [first_month()]);
    case.profile.levels = vec![foreign("premium", Until::Lifetime)];
    assert_eq!(steps(&case), Vec::<String>::new());
    let case = status(case);
    assert_eq!(done(&case), (vec!["report sub_1".to_owned()], true));
    let stops = Subscription { stops_at_period_end: true, canceled_at: Some(day(4)), ..first_month() };
    assert_eq!(steps(&later(case.clone(), day(5), [stops])), ["report sub_1"], "and whatever becomes of it");
    let renewed = later(case, day(31), [second_month(InvoiceStatus::Paid)]);
    assert_eq!(done(&renewed), (vec!["report in_2".to_owned()], true));
}

#[test]
fn what_a_fresh_promotion_keeps_unsaid_is_reported_once_the_profile_cannot_lag() {
    let mut gold = sub("sub_1", "gold", period(0, 30));
    let paid = invoice("in_1", InvoiceReason::SubscriptionCreate, InvoiceStatus::Paid, "gold", period(0, 30));
    gold.invoices.push(paid);
    let mut case =
        status(of(day(3), [gold, Subscription { id: "sub_2".into(), ..sub("sub_2", "other", period(0, 30)) }]));
    let promotion = GrantAccess {
        level: level("gold"),
        until: Until::Lifetime,
        starts_at: None,
        store: "adapty".into(),
        sale: Sale::of_promotion("promo"),
        sandbox: false,
    };
    let (step, at) = (Step::GrantAccess(promotion), case.now - chrono::Duration::seconds(1));
    let key = StepKey::stored("promo".into());
    case.ledger.entries.push(Entry { seq: 1, key, step, state: State::Confirmed { at } });
    case.profile.levels = vec![foreign("gold", Until::Lifetime)];
    let plan = decide(&case);
    assert_eq!(plan.steps, vec![]);
    let after_lag = plan.sync_again_at.unwrap();
    assert!(after_lag <= case.now + seconds(30), "{after_lag}");
    case.now = after_lag;
    assert_eq!(steps(&case), ["report sub_1"]);
}

#[test]
fn a_report_makes_nothing_ours() {
    let mut case = status(of(day(3), [first_month()]));
    case.profile.levels = vec![foreign("premium", Until::Lifetime)];
    let case = later(case, day(5), [ended(first_month(), 4)]);
    assert_eq!(done(&case), (vec!["report sub_1".to_owned()], true), "nothing is revoked");
    let Step::ReportSale(report) = &decide(&case).steps[0].step else { panic!("a report") };
    let status = report.sale.status.as_ref().unwrap();
    assert_eq!((status.renews, status.stopped_at), (false, Some(day(4))));
    // and taken back where it was a mistake
    let back = later(case, day(6), [first_month()]);
    assert_eq!(done(&back), (vec!["report sub_1".to_owned()], true));
}

#[test]
fn an_end_that_nobody_dates_is_the_same_news_at_every_sync() {
    let mut case = status(of(day(3), [first_month()]));
    case.profile.levels = vec![foreign("premium", Until::Lifetime)];
    let undated = Subscription { status: Status::Canceled, ..first_month() };
    let (early, late) = (later(case.clone(), day(5), [undated.clone()]), later(case, day(6), [undated]));
    let keys = |case: &Case| decide(case).steps.into_iter().map(|planned| planned.key).collect::<Vec<_>>();
    assert_eq!(steps(&early), ["report sub_1"]);
    assert_eq!(keys(&early), keys(&late));
}

#[test]
fn of_a_chain_that_is_over_the_former_terms_stay_as_they_were_reported() {
    let case = status(of(day(3), [first_month()]));
    let renewed = || second_month(InvoiceStatus::Paid);
    let case = later(case, day(30) + hours(1), [renewed()]);
    let stops = Subscription { stops_at_period_end: true, canceled_at: Some(day(40)), ..renewed() };
    let stopping = later(case.clone(), day(41), [stops.clone()]);
    let over = Subscription { status: Status::Canceled, ended_at: Some(day(60)), ..stops };
    assert_eq!(done(&later(stopping, day(61), [over])), (vec![], true));
    let at_once = ended(renewed(), 45);
    let expected = ["report in_2", "revoke premium"];
    assert_eq!(steps(&later(case, day(45) + hours(1), [at_once])), expected, "the last term alone");
}

#[test]
fn of_two_subscriptions_to_one_level_both_are_reported_and_the_longer_opens_it() {
    let mut longer = other(first_month());
    longer.items[0].period.end = day(40);
    let case = of(day(3), [first_month(), longer]);
    assert_eq!(steps(&case), ["grant premium until 2026-02-10T02:00:00Z by sub_2"]);
    let expected = ["report sub_1", "report sub_2", "grant premium until 2026-02-10T02:00:00Z by sub_2"];
    assert_eq!(done(&status(case)), (expected.map(str::to_owned).to_vec(), true));
}

#[test]
fn a_refund_after_the_end_is_reported() {
    let case = later(status(of(day(3), [first_month()])), day(5), [ended(first_month(), 4)]);
    let case = later(case, day(6), [ended(refunded(first_month()), 4)]);
    assert_eq!(done(&case), (vec!["report sub_1 as refund".to_owned()], true));
    let Step::ReportSale(report) = &decide(&case).steps[0].step else { panic!("a report") };
    assert_eq!(
        (report.event, decide(&case).steps[0].because.to_string()),
        (SaleEvent::Refunded(day(6)), "`in_1` was refunded in full".into())
    );
}

#[test]
fn what_still_carries_one_level_is_not_reported_as_refunded_when_another_is_blocked() {
    let mut sub = first_month();
    let mut more = invoice("in_more", InvoiceReason::Manual, InvoiceStatus::Paid, "month", period(0, 30));
    more.money_back = refund(999);
    sub.invoices.push(more);
    let mut case = status(of(day(3), [sub]));
    case.rules.catalog.0.push(offering("month", "gold", None));
    carry_out(&mut case);
    case.now = day(4);
    case.overrides.blocks.push(Block { level: level("premium"), by: "ops".into(), why: String::new() });
    assert_eq!(done(&case), (vec!["revoke premium".to_owned()], true));
}

#[test]
fn a_refund_is_reported_when_another_right_keeps_the_level() {
    let case = later(status(of(day(3), [first_month()])), day(4), [refunded(first_month()), other(first_month())]);
    let expected = ["report sub_2", "report sub_1 as refund"];
    assert_eq!(done(&case), (expected.map(str::to_owned).to_vec(), true));
}

#[test]
fn a_refund_is_reported_when_another_store_stands_in_front() {
    let mut case = later(status(of(day(3), [first_month()])), day(4), [refunded(first_month())]);
    case.profile.levels = vec![foreign("premium", Until::Lifetime)];
    assert_eq!(done(&case), (vec!["report sub_1 as refund".to_owned()], true));
}

#[test]
fn a_refund_of_a_former_term_is_reported_and_takes_nothing() {
    let case = status(of(day(3), [first_month()]));
    let case = later(case, day(30) + hours(1), [second_month(InvoiceStatus::Paid)]);
    let mut back = second_month(InvoiceStatus::Paid);
    back.invoices[0].money_back = refund(999);
    let case = later(case, day(31), [back]);
    assert_eq!(done(&case), (vec!["report sub_1 as refund".to_owned()], true));
    let restored = later(case, day(32), [second_month(InvoiceStatus::Paid)]);
    assert_eq!(steps(&restored), Vec::<String>::new(), "what is over is not reported as sold again");
}

#[test]
fn what_was_refunded_and_is_expected_after_all_is_reported_as_sold() {
    let both = || vec![first_month(), other(first_month())];
    let case = later(status(of(day(3), both())), day(4), [refunded(first_month()), other(first_month())]);
    let mut case = later(case, day(5), both());
    assert_eq!(steps(&case), ["report sub_1"]);
    carry_out(&mut case);
    assert_eq!(steps(&case), Vec::<String>::new());
}

#[test]
fn a_refund_that_policy_keeps_and_what_was_never_reported_are_not_reported() {
    let never = status(of(day(3), [refunded(first_month())]));
    assert_eq!(steps(&never), Vec::<String>::new());
    let mut kept = later(status(of(day(3), [first_month()])), day(4), [refunded(first_month())]);
    kept.rules.policy.full_refund = Choice::Keep;
    assert_eq!(steps(&kept), Vec::<String>::new());
}

#[test]
fn a_report_that_failed_waits_and_one_that_is_not_wanted_any_more_is_dropped() {
    let mut case = status(of(day(3), [first_month()]));
    case.profile.levels = vec![foreign("premium", Until::Lifetime)];
    let plan = carry_out(&mut case);
    let due = day(3) + hours(1);
    case.ledger.entries[0].state = State::Intended { attempts: 2, due };
    let waits = decide(&case);
    assert_eq!((waits.steps, waits.dropped, waits.sync_again_at), (vec![], vec![], Some(due)));
    case.rules.protocol = Protocol::AccessWithSale;
    assert_eq!(decide(&case).dropped, [plan.steps[0].key.clone()]);
}

#[test]
fn what_is_unknown_is_not_reported() {
    let mut case = status(of(day(3), [first_month()]));
    case.profile.levels = vec![foreign("premium", Until::Lifetime)];
    case.billing.gaps.push(Gap { about: About::Everything, what: "half of it".into() });
    assert_eq!(steps(&case), Vec::<String>::new());
}

#[test]
fn a_refund_names_the_product_that_was_reported_whatever_the_catalog_says_today() {
    let mut case = later(status(of(day(3), [first_month()])), day(5), [refunded(first_month())]);
    for entry in &mut case.ledger.entries {
        let Step::ReportSale(report) = &mut entry.step else { continue };
        report.sale.product = "prod_before".into();
    }
    let Step::ReportSale(report) = decide(&case).steps.remove(0).step else { panic!("a report") };
    assert_eq!(report.sale.product, "prod_before");
    assert_eq!(done(&case), (vec!["report sub_1 as refund".to_owned(), "revoke premium".to_owned()], true));
}

#[test]
fn two_refunds_of_one_chain_are_reported_with_the_amount_of_each() {
    let dearer = |money_back: [i64; 2]| {
        let mut sub = second_month(InvoiceStatus::Paid);
        sub.invoices[1].total.minor = 1999;
        sub.invoices[1].lines.iter_mut().for_each(|line| line.amount = 1999);
        for (invoice, back) in sub.invoices.iter_mut().zip(money_back) {
            invoice.money_back = refund(back);
        }
        sub
    };
    let first = status(of(day(3), [first_month()]));
    let renewed = later(first, day(31), [dearer([0, 0])]);
    let mut case = later(renewed, day(32), [dearer([999, 1999])]);
    carry_out(&mut case);
    let reported = case.ledger.entries.iter().filter_map(|entry| match &entry.step {
        Step::ReportSale(report) if matches!(report.event, SaleEvent::Refunded(_)) => {
            Some((report.sale.id.as_str(), report.sale.price.as_ref()?.minor))
        }
        _ => None,
    });
    assert_eq!(reported.collect::<Vec<_>>(), [("in_2", 1999), ("sub_1", 999)]);
}
