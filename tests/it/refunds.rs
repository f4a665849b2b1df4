//! Money that goes back, and what it takes with it.

use simulator::stripe::moves::{FirstPayment, NewSubscription, metadata};
use simulator::stripe::shape::Shape;

use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, Refund, SLACK, World};

/// The end that is granted for the running period.
fn end_of(world: &World, bought: &Bought) -> chrono::DateTime<chrono::Utc> {
    world.period_end(&bought.subscription) + SLACK
}

/// Renews, and waits until Adapty shows the new term.
async fn renewed(world: &World, user: &str, bought: &Bought) -> String {
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held(user, "premium", end_of(world, bought)).await;
    world.daemon.until_idle().await;
    world.simulator.stripe.latest_invoice(&bought.subscription).unwrap()
}

#[tokio::test]
async fn a_full_refund_of_the_current_term_revokes_as_a_refund() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!(world.revokes(), [Refund::Yes]);
    assert!(world.simulator.adapty.transactions("u-1")[0].refunded);
    assert!(world.simulator.adapty.revenue("u-1").values().all(|sum| *sum == 0.0));
    finish(world).await;
}

#[tokio::test]
async fn a_refund_of_a_renewal_revokes_with_the_renewals_transaction() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let renewal = renewed(&world, "u-1", &bought).await;
    world.deliver(&world.simulator.stripe.refund(&renewal, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    let refunded: Vec<bool> = world.simulator.adapty.transactions("u-1").iter().map(|row| row.refunded).collect();
    assert_eq!(refunded, [false, true]);
    finish(world).await;
}

#[tokio::test]
async fn a_refund_of_an_older_term_keeps_the_current_one() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    renewed(&world, "u-1", &bought).await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_held("u-1", "premium", end_of(&world, &bought)).await;
    assert_eq!((world.grants().len(), world.revokes().len()), (2, 0));
    finish(world).await;
}

#[tokio::test]
async fn a_partial_refund_keeps_and_two_that_add_up_revoke() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, Some(500), "succeeded").events).await;
    world.until_held("u-1", "premium", end_of(&world, &bought)).await;
    assert_eq!(world.revokes().len(), 0);
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, Some(499), "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(world.revokes(), [Refund::Yes]);
    finish(world).await;
}

#[tokio::test]
async fn a_partial_refund_revokes_where_the_policy_says_so() {
    let world = World::with(&[("POLICY__PARTIAL_REFUND", "revoke")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, Some(1), "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_full_refund_keeps_where_the_policy_says_so() {
    let world = World::with(&[("POLICY__FULL_REFUND", "keep")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_held("u-1", "premium", end_of(&world, &bought)).await;
    assert_eq!(world.revokes().len(), 0);
    finish(world).await;
}

#[tokio::test]
async fn a_pending_refund_keeps_until_it_succeeds() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let refund = world.simulator.stripe.refund(&bought.invoice, None, "pending");
    world.deliver_and_settle(&refund.events).await;
    assert!(world.holds("u-1", "premium"));
    assert_eq!(world.revokes().len(), 0);
    world.deliver(&world.simulator.stripe.set_refund_status(&refund.id, "succeeded")).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_refund_that_failed_after_all_gives_the_access_back() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let refund = world.simulator.stripe.refund(&bought.invoice, None, "succeeded");
    world.deliver(&refund.events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    world.deliver(&world.simulator.stripe.set_refund_status(&refund.id, "failed")).await;
    world.until_held("u-1", "premium", end_of(&world, &bought)).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish(world).await;
}

#[tokio::test]
async fn a_lost_dispute_revokes_as_a_refund_and_an_open_one_keeps() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let dispute = world.simulator.stripe.dispute(&bought.invoice, "needs_response");
    world.deliver_and_settle(&dispute.events).await;
    assert!(world.holds("u-1", "premium"));
    assert_eq!(world.revokes().len(), 0);
    world.deliver(&world.simulator.stripe.set_dispute_status(&dispute.id, "lost")).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(world.revokes(), [Refund::Yes]);
    finish(world).await;
}

#[tokio::test]
async fn an_open_dispute_withholds_where_the_policy_says_so_and_a_won_one_restores() {
    let world = World::with(&[("POLICY__DISPUTE_OPENED", "revoke")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let dispute = world.simulator.stripe.dispute(&bought.invoice, "needs_response");
    world.deliver(&dispute.events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!(world.revokes(), [Refund::No]);
    world.deliver(&world.simulator.stripe.set_dispute_status(&dispute.id, "won")).await;
    world.until_held("u-1", "premium", end_of(&world, &bought)).await;
    finish(world).await;
}

#[tokio::test]
async fn a_new_paid_term_after_a_refund_grants_again() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    let renewal = renewed(&world, "u-1", &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription, renewal]);
    finish(world).await;
}

#[tokio::test]
async fn a_further_sync_after_a_refund_does_not_grant_again() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    for target in [vec!["--user", "u-1"], vec![&format!("stripe:{}", bought.customer)]] {
        let output = world.daemon.command(&[vec!["resync", "--wait"], target].concat()).await;
        assert!(output.status.success(), "{}", output.stderr);
    }
    world.daemon.until_idle().await;
    assert!(!world.holds("u-1", "premium"));
    assert_eq!((world.grants().len(), world.revokes().len()), (1, 1));
    finish(world).await;
}

/// `u-1` has an open first invoice of 9.99, which the card did not pay.
async fn unpaid(world: &World) -> Bought {
    let bought = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        first_payment: FirstPayment::Failed,
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    bought
}

/// What is left of it is paid, and `u-1` holds premium.
async fn recovered(world: &World, bought: &Bought) {
    world.deliver(&world.simulator.stripe.recover(&bought.subscription)).await;
    world.until_held("u-1", "premium", end_of(world, bought)).await;
    world.daemon.until_idle().await;
}

#[tokio::test]
async fn what_the_card_paid_beside_credit_is_all_that_can_go_back() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::start().await;
        world.simulator.stripe.set_shape(shape);
        let bought = world.granted("u-1", "price_premium", "premium").await;
        world.simulator.stripe.set_balance(&bought.customer, -400);
        let renewal = renewed(&world, "u-1", &bought).await;
        world.deliver_and_settle(&world.simulator.stripe.refund(&renewal, Some(598), "succeeded").events).await;
        assert!(world.holds("u-1", "premium"), "a cent is left of 5.99");
        world.deliver(&world.simulator.stripe.refund(&renewal, Some(1), "succeeded").events).await;
        world.until_gone("u-1", "premium").await;
        world.daemon.until_idle().await;
        assert_eq!(world.revokes(), [Refund::Yes], "{shape:?}");
        finish(world).await;
    }
}

#[tokio::test]
async fn what_a_note_took_off_before_the_payment_cannot_go_back() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::start().await;
        world.simulator.stripe.set_shape(shape);
        let bought = unpaid(&world).await;
        world.deliver(&world.simulator.stripe.credit_open_invoice(&bought.invoice, 300).events).await;
        recovered(&world, &bought).await;
        world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
        world.until_gone("u-1", "premium").await;
        world.daemon.until_idle().await;
        assert_eq!(world.revokes(), [Refund::Yes], "{shape:?}");
        finish(world).await;
    }
}

#[tokio::test]
async fn of_two_charges_of_one_invoice_one_refunded_is_a_part_and_both_are_the_whole() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::start().await;
        world.simulator.stripe.set_shape(shape);
        let bought = unpaid(&world).await;
        world.deliver(&world.simulator.stripe.credit_open_invoice(&bought.invoice, 100).events).await;
        world.deliver(&world.simulator.stripe.pay_invoice_in_part(&bought.invoice, 400)).await;
        recovered(&world, &bought).await;
        let stripe = &world.simulator.stripe;
        let rest = stripe.charge_of(&bought.invoice).unwrap();
        let is_paid = |id: &String| stripe.object(id).unwrap()["paid"] == true;
        let part = stripe.ids("charge").into_iter().find(|id| *id != rest && is_paid(id)).unwrap();
        world.deliver_and_settle(&stripe.refund(&rest, None, "succeeded").events).await;
        world.until_held("u-1", "premium", end_of(&world, &bought)).await;
        assert_eq!(world.revokes().len(), 0);
        world.deliver(&stripe.refund(&part, None, "succeeded").events).await;
        world.until_gone("u-1", "premium").await;
        world.daemon.until_idle().await;
        assert_eq!(world.revokes(), [Refund::Yes], "{shape:?}");
        finish(world).await;
    }
}
