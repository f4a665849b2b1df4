//! The life of a subscription, from its trial to its end.

use chrono::TimeDelta;
use simulator::fault::{Fault, Match, What};
use simulator::stripe::moves::{FirstPayment, NewSubscription, metadata};
use simulator::stripe::shape::Shape;

use crate::harness::final_checks::finish;
use crate::harness::world::{Api, Bought, Refund, SLACK, World};

const GRACE: TimeDelta = TimeDelta::days(3);
/// How long a payment may be on its way, as by default.
const PROCESSING_GRACE: TimeDelta = TimeDelta::days(7);

/// A subscription of `user` to premium, to be changed.
fn premium(user: &str) -> NewSubscription {
    NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", user)]),
        ..NewSubscription::default()
    }
}

/// Waits until `u-1` holds premium to the end of the running period, with slack.
async fn until_held_through(world: &World, bought: &Bought) {
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
}

/// The newest invoice of the subscription.
fn invoice(world: &World, bought: &Bought) -> String {
    world.simulator.stripe.latest_invoice(&bought.subscription).unwrap()
}

#[tokio::test]
async fn a_trial_is_granted_free_and_converts_into_a_renewal_with_its_invoice() {
    let world = World::start().await;
    let bought = world.subscribe(NewSubscription { trial: Some(TimeDelta::days(7)), ..premium("u-1") });
    world.deliver(&bought.events).await;
    let trial_end = world.period_end(&bought.subscription);
    world.until_held("u-1", "premium", trial_end + SLACK).await;
    world.daemon.until_idle().await;
    let trial = world.simulator.adapty.transactions("u-1").remove(0);
    assert_eq!((trial.id.as_str(), trial.price), (bought.subscription.as_str(), 0.0));
    assert_eq!(trial.offer.as_deref(), Some("free_trial"));

    world.deliver(&world.simulator.stripe.convert_trial(&bought.subscription)).await;
    assert_eq!(world.period_end(&bought.subscription), trial_end + TimeDelta::days(30));
    until_held_through(&world, &bought).await;
    let transactions = world.simulator.adapty.transactions("u-1");
    let [_, paid] = transactions.as_slice() else { panic!("two transactions: {transactions:?}") };
    assert_eq!((paid.id.clone(), &paid.original), (invoice(&world, &bought), &bought.subscription));
    assert_eq!((paid.price, paid.offer.as_deref()), (9.99, None));
    finish(world).await;
}

#[tokio::test]
async fn while_a_renewal_is_a_draft_access_stays_to_the_paid_end_with_slack() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let paid_end = world.period_end(&bought.subscription);
    world.deliver_and_settle(&world.simulator.stripe.start_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", paid_end + SLACK).await;
    assert_eq!((world.grants().len(), world.revokes().len()), (1, 0));

    world.deliver(&world.simulator.stripe.pay_renewal(&bought.subscription)).await;
    assert_eq!(world.period_end(&bought.subscription), paid_end + TimeDelta::days(30));
    until_held_through(&world, &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.clone(), invoice(&world, &bought)]);
    assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 19.98);
    finish(world).await;
}

#[tokio::test]
async fn three_renewals_make_three_transactions_of_one_chain() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let mut ids = vec![bought.subscription.clone()];
    for _ in 0..3 {
        world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
        until_held_through(&world, &bought).await;
        ids.push(invoice(&world, &bought));
    }
    assert_eq!(world.transaction_ids("u-1"), ids);
    let rows = world.simulator.adapty.transactions("u-1");
    assert!(rows.iter().all(|row| row.original == bought.subscription && row.price == 9.99), "{rows:?}");
    finish(world).await;
}

#[tokio::test]
async fn a_failed_card_gets_its_grace_and_recovers() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let unpaid_since = world.period_end(&bought.subscription);
    world.deliver(&world.simulator.stripe.fail_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", unpaid_since + GRACE).await;
    world.daemon.until_idle().await;
    world.deliver_and_settle(&world.simulator.stripe.fail_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", unpaid_since + GRACE).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()], "an unpaid term is no transaction");

    world.deliver(&world.simulator.stripe.recover(&bought.subscription)).await;
    until_held_through(&world, &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.clone(), invoice(&world, &bought)]);
    assert_eq!(world.revokes().len(), 0);
    finish(world).await;
}

#[tokio::test]
async fn while_a_bank_debit_is_on_its_way_a_renewal_is_held_until_the_bank_answers() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::start().await;
        world.simulator.stripe.set_shape(shape);
        let bought = world.granted("u-1", "price_premium", "premium").await;
        let paid_end = world.period_end(&bought.subscription);
        world.deliver(&world.simulator.stripe.debit_renewal(&bought.subscription)).await;
        world.until_held("u-1", "premium", paid_end + PROCESSING_GRACE).await;
        world.daemon.until_idle().await;
        assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()], "nothing is bought yet");

        world.deliver(&world.simulator.stripe.settle_debit(&bought.subscription, true)).await;
        until_held_through(&world, &bought).await;
        assert_eq!(world.transaction_ids("u-1"), [bought.subscription.clone(), invoice(&world, &bought)]);
        assert_eq!(world.revokes().len(), 0, "{shape:?}");
        finish(world).await;
    }
}

#[tokio::test]
async fn a_bank_debit_that_fails_leaves_the_grace_of_any_unpaid_period() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let paid_end = world.period_end(&bought.subscription);
    world.deliver(&world.simulator.stripe.debit_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", paid_end + PROCESSING_GRACE).await;
    world.daemon.until_idle().await;
    world.deliver(&world.simulator.stripe.settle_debit(&bought.subscription, false)).await;
    world.until_held("u-1", "premium", paid_end + GRACE).await;
    world.daemon.until_idle().await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish(world).await;
}

#[tokio::test]
async fn a_payment_says_that_it_is_on_its_way_where_charges_may_not_be_read() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::start().await;
        world.simulator.stripe.set_shape(shape);
        let refused = What::Status(403, Vec::new(), r#"{"error":{"type":"invalid_request_error"}}"#.to_owned());
        world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/charges"), refused));
        let bought = world.granted("u-1", "price_premium", "premium").await;
        let paid_end = world.period_end(&bought.subscription);
        world.deliver(&world.simulator.stripe.debit_renewal(&bought.subscription)).await;
        world.until_held("u-1", "premium", paid_end + PROCESSING_GRACE).await;
        finish(world).await;
    }
}

#[tokio::test]
async fn how_long_a_payment_may_be_on_its_way_is_a_setting() {
    let world = World::with(&[("POLICY__PROCESSING_GRACE", "4d")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let paid_end = world.period_end(&bought.subscription);
    world.deliver(&world.simulator.stripe.debit_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", paid_end + TimeDelta::days(4)).await;
    finish(world).await;
}

#[tokio::test]
async fn a_first_payment_that_is_on_its_way_gives_nothing_until_it_is_there() {
    let world = World::start().await;
    let bought = world.subscribe(NewSubscription { first_payment: FirstPayment::Pending, ..premium("u-1") });
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.simulator.stripe.object(&bought.subscription).unwrap()["status"], "active");
    assert!(!world.holds("u-1", "premium"));
    assert_eq!(world.grants().len(), 0);
    world.deliver(&world.simulator.stripe.pay_renewal(&bought.subscription)).await;
    until_held_through(&world, &bought).await;
    finish(world).await;
}

#[tokio::test]
async fn a_card_that_fails_for_good_loses_access() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.fail_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) - TimeDelta::days(30) + GRACE).await;
    world.deliver(&world.simulator.stripe.set_status(&bought.subscription, "unpaid")).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(world.revokes(), [Refund::No]);
    finish(world).await;
}

#[tokio::test]
async fn a_cancellation_at_the_period_end_ends_exactly_there_and_can_be_taken_back() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let end = world.period_end(&bought.subscription);
    world.deliver(&world.simulator.stripe.cancel_at_period_end(&bought.subscription, true)).await;
    world.until_held("u-1", "premium", end).await;
    world.daemon.until_idle().await;
    world.deliver(&world.simulator.stripe.cancel_at_period_end(&bought.subscription, false)).await;
    until_held_through(&world, &bought).await;
    assert_eq!(world.grants(), [9.99, 9.99, 9.99]);
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    assert_eq!(world.revokes().len(), 0);
    finish(world).await;
}

#[tokio::test]
async fn a_cancellation_at_a_date_ends_access_at_that_date() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let sooner = world.period_end(&bought.subscription) - TimeDelta::days(9);
    world.deliver(&world.simulator.stripe.cancel_at(&bought.subscription, Some(sooner))).await;
    world.until_held("u-1", "premium", sooner).await;
    let later = sooner + TimeDelta::days(90);
    world.deliver(&world.simulator.stripe.cancel_at(&bought.subscription, Some(later))).await;
    until_held_through(&world, &bought).await;
    finish(world).await;
}

#[tokio::test]
async fn an_immediate_cancellation_revokes_at_once() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(world.revokes(), [Refund::No]);
    finish(world).await;
}

#[tokio::test]
async fn a_deleted_customer_loses_what_ended_with_them() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.delete_customer(&bought.customer)).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_pause_takes_access_away_and_a_resumption_gives_it_back() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    for time in 1..=2 {
        world.deliver(&world.simulator.stripe.pause(&bought.subscription)).await;
        world.until_gone("u-1", "premium").await;
        world.daemon.until_idle().await;
        assert_eq!(world.revokes().len(), time);
        world.deliver(&world.simulator.stripe.resume(&bought.subscription)).await;
        until_held_through(&world, &bought).await;
        // a grant of the first API reports its sale again; the second has the sale, and is granted the level alone
        let sales = if crate::API == Api::V1 { time + 1 } else { 1 };
        assert_eq!(world.grants().len(), sales);
    }
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish(world).await;
}

#[tokio::test]
async fn a_paused_collection_keeps_access_without_a_transaction() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.pause_collection(&bought.subscription, Some("void"))).await;
    until_held_through(&world, &bought).await;
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    until_held_through(&world, &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    assert_eq!(world.revokes().len(), 0);
    finish(world).await;
}

#[tokio::test]
async fn a_paused_collection_revokes_where_the_policy_says_so() {
    let world = World::with(&[("POLICY__PAUSE_COLLECTION", "revoke")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.pause_collection(&bought.subscription, Some("keep_as_draft"))).await;
    world.until_gone("u-1", "premium").await;
    world.deliver(&world.simulator.stripe.pause_collection(&bought.subscription, None)).await;
    until_held_through(&world, &bought).await;
    finish(world).await;
}

#[tokio::test]
async fn a_period_that_a_pause_waived_is_kept_to_its_end_after_the_collection_is_resumed() {
    for shape in [Shape::Current, Shape::PreBasil] {
        for behavior in ["void", "mark_uncollectible", "keep_as_draft"] {
            let world = World::start().await;
            world.simulator.stripe.set_shape(shape);
            let bought = world.granted("u-1", "price_premium", "premium").await;
            let stripe = &world.simulator.stripe;
            world.deliver_and_settle(&stripe.pause_collection(&bought.subscription, Some(behavior))).await;
            world.deliver(&stripe.renew(&bought.subscription)).await;
            until_held_through(&world, &bought).await;
            world.deliver_and_settle(&stripe.pause_collection(&bought.subscription, None)).await;
            until_held_through(&world, &bought).await;
            assert_eq!(world.revokes().len(), 0, "{shape:?} {behavior}");
            assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()], "{shape:?} {behavior}");

            world.deliver(&stripe.renew(&bought.subscription)).await;
            until_held_through(&world, &bought).await;
            assert_eq!(world.transaction_ids("u-1"), [bought.subscription.clone(), invoice(&world, &bought)]);
            finish(world).await;
        }
    }
}

#[tokio::test]
async fn a_period_given_up_after_a_card_failed_is_not_waived() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let unpaid_since = world.period_end(&bought.subscription);
    world.deliver(&world.simulator.stripe.fail_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", unpaid_since + GRACE).await;
    world.daemon.until_idle().await;
    world.deliver(&world.simulator.stripe.void_invoice(&invoice(&world, &bought))).await;
    world.deliver(&world.simulator.stripe.set_status(&bought.subscription, "active")).await;
    world.until_held("u-1", "premium", unpaid_since).await;
    finish(world).await;
}
