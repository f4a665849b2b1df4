//! What other stores sold, and may renew without a trigger.

use chrono::Duration;

use super::*;
use crate::access::entitle::entitle;
use crate::model::clock::Timestamp;
use crate::model::profile::{ActualLevel, BARE, StoreSubscription};
use crate::model::rules::Protocol;
use crate::status::{Carried, LevelStatus, Status as SaleStatus};

fn renewing(until: Timestamp) -> ActualLevel {
    ActualLevel { will_renew: Some(true), ..foreign("gold", Until::At(until)) }
}

fn showing(now: Timestamp, shown: ActualLevel) -> Case {
    let mut case = of(now, []);
    case.profile.levels = vec![shown];
    case
}

fn status(case: &Case) -> SaleStatus {
    SaleStatus::of(case, &decide(case), Carried::Out)
}

#[test]
fn a_right_of_another_store_is_read_when_it_ends_and_ever_more_rarely_after() {
    let mut case = showing(day(3), renewing(day(5)));
    let plan = decide(&case);
    assert_eq!((plan.sync_again_at, plan.waits_for_other_stores_only), (Some(day(5)), true));
    case.now = day(5);
    let mut syncs = Vec::new();
    while let Some(at) = decide(&case).sync_again_at {
        syncs.push((at - day(5)).num_seconds());
        case.now = at;
    }
    assert_eq!(syncs, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360]);
}

#[test]
fn what_ends_for_certain_or_never_or_is_nobodys_sale_needs_no_sync() {
    let ends = ActualLevel { will_renew: Some(false), ..renewing(day(5)) };
    let gift = ActualLevel { store: Some(BARE.0.into()), ..renewing(day(5)) };
    let for_life = foreign("gold", Until::Lifetime);
    for shown in [ends, gift, for_life] {
        assert_eq!(decide(&showing(day(3), shown.clone())).sync_again_at, None, "{shown:?}");
    }
    let nobody_says = foreign("gold", Until::At(day(5)));
    assert_eq!(decide(&showing(day(3), nobody_says)).sync_again_at, Some(day(5)));
}

#[test]
fn a_sync_of_ours_that_comes_first_is_not_for_others_alone() {
    let mut case = of(day(3), [first_month()]);
    case.profile.levels = vec![renewing(day(50))];
    let plan = decide(&case);
    assert_eq!((plan.sync_again_at, plan.waits_for_other_stores_only), (Some(day(30) + hours(2)), false));
}

#[test]
fn a_right_that_another_store_may_have_renewed_is_in_doubt_for_some_hours_and_locks_nobody_out() {
    let end = day(5);
    let before = status(&showing(day(3), renewing(end)));
    assert!(!before.is_in_doubt(day(3), day(4)));
    assert!(before.is_in_doubt(day(3), end) && before.is_in_doubt(day(3), day(500)), "nobody read since");
    // it was read, and the store does not show it yet
    let late = status(&showing(end + seconds(1), renewing(end)));
    assert!(late.is_in_doubt(end + seconds(1), end + hours(5)) && !late.paywall(end + hours(5), true));
    let over = status(&showing(end + hours(6), renewing(end)));
    assert!(!over.is_in_doubt(end + hours(6), end + hours(6)) && over.paywall(end + hours(6), true));
    // its store says that nobody paid
    let failed = ActualLevel { billing_issue: true, ..renewing(end) };
    assert!(status(&showing(end + seconds(1), failed)).levels.is_empty());
}

#[test]
fn what_ends_for_certain_is_in_no_doubt() {
    let ends = ActualLevel { will_renew: Some(false), ..renewing(day(5)) };
    assert!(!status(&showing(day(3), ends)).is_in_doubt(day(3), day(5) + Duration::seconds(1)));
}

fn seen(store: &str, until: Timestamp) -> LevelStatus {
    let shown = ActualLevel { store: Some(store.into()), level: level("premium"), ..renewing(until) };
    status(&showing(day(0), shown)).levels.remove(0)
}

fn unread(case: &Case, seen: LevelStatus) -> LevelStatus {
    let expected = entitle(&case.billing, &case.rules, case.now);
    let seen = SaleStatus { levels: vec![seen], double_subscription: false };
    let mut status = SaleStatus::unread(&expected, &case.rules, seen);
    assert_eq!(status.levels.len(), 1, "{status:?}");
    status.levels.remove(0)
}

#[test]
fn in_an_app_that_cannot_be_read_what_is_billed_counts_and_what_was_seen_there_stays() {
    let paid = of(day(3), [first_month()]);
    let end = Some(Until::At(day(30) + hours(2)));
    assert_eq!(unread(&paid, seen("stripe", day(2))).until, end);
    assert_eq!(unread(&paid, seen("stripe", day(90))).until, end, "billing is sure");
    let other = unread(&paid, seen("app_store", day(90)));
    assert_eq!((other.store.as_deref(), other.until), (Some("app_store"), Some(Until::At(day(90)))));
    let nothing = of(day(3), []);
    assert_eq!(unread(&nothing, seen("app_store", day(90))).will_renew, Some(true));
    let over = unread(&nothing, seen("stripe", day(90)));
    assert_eq!(
        (over.will_renew, over.until),
        (Some(false), Some(Until::At(day(90)))),
        "still shown, as far as anybody knows"
    );
    let mut unknown = nothing.clone();
    unknown.billing.gaps.push(Gap { about: About::Everything, what: "everything".into() });
    assert_eq!(unread(&unknown, seen("stripe", day(90))).will_renew, Some(true));
}

#[test]
fn an_active_right_that_the_stores_list_counts_before_one_that_is_over() {
    let over = SaleStatus { levels: vec![seen("stripe", day(5))], double_subscription: false };
    let witnessed = LevelStatus { until: Some(Until::At(day(4))), ..seen("app_store", day(4)) };
    // the reader of the stores did not answer: what was to renew is taken to have renewed
    let status = over.beside(&[witnessed], true, &["stripe"], day(6));
    assert!(!status.paywall(day(6), true) && status.levels[0].store.as_deref() == Some("app_store"), "{status:?}");
}

#[test]
fn only_what_a_store_of_apps_sold_is_a_second_sale() {
    let web = SaleStatus { levels: vec![seen("stripe", day(5))], double_subscription: false };
    for (store, twice) in [("app_store", true), ("play_store", true), ("web", false), ("stripe", false)] {
        let status = web.clone().beside(&[seen(store, day(5))], false, &["stripe"], day(3));
        assert_eq!(status.double_subscription, twice, "{store}");
    }
}

/// A web month is granted over a right of the App Store to day 20, which the profile lists; `shown` is how it shows then.
fn granted_over(protocol: Protocol, shown: fn(&mut ActualLevel)) -> Case {
    let mut case = of(day(3), [first_month()]);
    case.rules.protocol = protocol;
    case.profile.levels = vec![foreign("premium", Until::At(day(20)))];
    case.profile.sold = vec![StoreSubscription {
        store: "app_store".into(),
        product: "ios".into(),
        until: Until::At(day(20)),
        sandbox: false,
    }];
    carry_out(&mut case);
    case.profile.levels.iter_mut().for_each(shown);
    case.now = day(4);
    case
}

fn under_the_stores_ids(shown: &mut ActualLevel) {
    *shown = foreign(&shown.level.0, shown.until);
}

const PROTOCOLS: [Protocol; 3] = [Protocol::AccessWithSale, Protocol::SalesAndAccess, Protocol::AccessOnly];

fn take(mut case: Case, subscriptions: impl IntoIterator<Item = Subscription>) -> Case {
    case.billing.subscriptions = subscriptions.into_iter().collect();
    case
}

fn refunded_month() -> Subscription {
    let mut sub = first_month();
    sub.invoices[0].money_back = refund(999);
    sub
}

#[test]
fn what_another_store_pays_for_behind_ours_stays_to_its_end_when_ours_ends() {
    for protocol in PROTOCOLS {
        // refunded; canceled; handed over to another user
        for subscriptions in [vec![refunded_month()], vec![ended(first_month())], vec![]] {
            let mut case = take(granted_over(protocol, |_| {}), subscriptions);
            let sent = steps(&case);
            assert!(!sent.iter().any(|step| step.starts_with("revoke")), "{protocol:?}: {sent:?}");
            carry_out(&mut case);
            let premium = case.profile.level(&level("premium")).unwrap();
            assert_eq!(premium.until, Until::At(day(20)), "{protocol:?}");
            assert_eq!(steps(&case), [""; 0], "{protocol:?}");
            case.now = day(5);
            assert_eq!(steps(&case), [""; 0], "{protocol:?}");
        }
    }
}

#[test]
fn ours_is_known_by_its_end_where_the_stores_transaction_hides_it() {
    for protocol in [Protocol::SalesAndAccess, Protocol::AccessOnly] {
        let mut case = take(granted_over(protocol, under_the_stores_ids), [refunded_month()]);
        carry_out(&mut case);
        let premium = case.profile.level(&level("premium")).unwrap();
        assert_eq!(premium.until, Until::At(day(20)), "{protocol:?}: {:?}", steps(&case));
    }
}

#[test]
fn a_refund_that_cannot_be_reported_since_another_store_pays_is_said() {
    let case = take(granted_over(Protocol::AccessWithSale, |_| {}), [refunded_month()]);
    let because = decide(&case).steps.remove(0).because.to_string();
    assert!(because.contains("`app_store`") && because.ends_with("the refund is not reported"), "{because}");
}

#[test]
fn a_store_that_is_not_paid_any_more_keeps_nothing() {
    let mut case = take(granted_over(Protocol::AccessWithSale, |_| {}), [refunded_month()]);
    case.profile.sold[0].until = Until::At(day(2));
    assert_eq!(steps(&case), ["revoke premium as refund"]);
}

fn ended(sub: Subscription) -> Subscription {
    Subscription { status: Status::Canceled, ended_at: Some(day(4)), ..sub }
}

#[test]
fn what_is_left_to_another_store_is_synced_when_that_ends() {
    let case = take(granted_over(Protocol::AccessWithSale, |_| {}), [refunded_month()]);
    assert_eq!(decide(&case).sync_again_at, Some(day(20)));
}

#[test]
fn two_levels_of_ours_under_one_stores_ids_are_both_left_to_it() {
    let mut case = granted_over(Protocol::SalesAndAccess, |_| {});
    let mut gold = sub("sub_2", "gold", period(0, 30));
    let paid = invoice("in_2", InvoiceReason::SubscriptionCreate, InvoiceStatus::Paid, "gold", period(0, 30));
    gold.invoices.push(paid);
    case.billing.subscriptions.push(gold);
    carry_out(&mut case);
    case.profile.levels.iter_mut().for_each(under_the_stores_ids);
    case.now = day(5);
    let mut case = take(case, []);
    carry_out(&mut case);
    for name in ["premium", "gold"] {
        assert_eq!(case.profile.level(&level(name)).unwrap().until, Until::At(day(20)), "{name}");
    }
}
