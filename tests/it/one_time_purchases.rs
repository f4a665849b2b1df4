//! What is bought once: for good or for a time, or by a guest.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use simulator::adapty::world::Level;
use simulator::stripe::moves::{NewCustomer, NewPayment, NewPrice, NewSession, NewSubscription, Purchase, metadata};
use simulator::stripe::shape::Shape;

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, Refund, SLACK, World};

const PASS: TimeDelta = TimeDelta::days(30);

/// A paid purchase of `u-1` with a customer at Stripe.
fn of(world: &World, price: &str) -> NewPayment {
    NewPayment {
        customer: Some(world.simulator.stripe.add_customer(NewCustomer::default()).id),
        prices: vec![(price.to_owned(), 1)],
        session: NewSession { client_reference_id: Some("u-1".to_owned()), ..NewSession::default() },
        paid: true,
        ..NewPayment::default()
    }
}

/// When a purchase was charged.
fn paid_at(world: &World, purchase: &Purchase) -> DateTime<Utc> {
    let charge = world.simulator.stripe.charge_of(&purchase.session).unwrap();
    let created = world.simulator.stripe.object(&charge).unwrap()["created"].as_i64();
    DateTime::from_timestamp(created.unwrap(), 0).unwrap()
}

/// Waits until `user` holds gold for good.
async fn until_held_for_good(world: &World, user: &str) {
    let for_good = |level: Option<&Level>| level.is_some_and(|level| level.is_lifetime);
    let waited = world.simulator.adapty.wait_for_level(user, "gold", PATIENCE, for_good).await;
    assert!(waited.is_ok(), "{waited:?}\n{}", world.daemon.log());
    world.daemon.until_idle().await;
}

#[tokio::test]
async fn a_lifetime_is_granted_without_an_end() {
    let world = World::selling_once().await;
    let purchase = world.simulator.stripe.pay_once(of(&world, "price_life"));
    world.deliver(&purchase.events).await;
    until_held_for_good(&world, "u-1").await;
    let rows = world.simulator.adapty.transactions("u-1");
    let intent = purchase.payment_intent.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].id, &rows[0].original), (&intent, &intent));
    assert_eq!((rows[0].product.as_str(), rows[0].base_plan.as_deref()), ("prod_life", Some("price_life")));
    assert_eq!((rows[0].price, rows[0].expires_at), (49.99, None));
    finish(world).await;
}

#[tokio::test]
async fn a_pass_lasts_from_its_payment_and_the_next_one_follows_it() {
    let world = World::selling_once().await;
    let new = of(&world, "price_pass");
    let first = world.simulator.stripe.pay_once(new.clone());
    // Stripe counts in seconds: the first must not be of the same one as the second
    let charge = world.simulator.stripe.charge_of(&first.session).unwrap();
    world
        .simulator
        .stripe
        .edit(&charge, |charge| charge["created"] = (charge["created"].as_i64().unwrap() - 60).into());
    world.deliver(&first.events).await;
    let begin = paid_at(&world, &first);
    world.until_held("u-1", "premium", begin + PASS).await;
    world.daemon.until_idle().await;
    let second = world.simulator.stripe.pay_once(new);
    world.deliver(&second.events).await;
    world.until_held("u-1", "premium", begin + PASS + PASS).await;
    world.daemon.until_idle().await;
    assert_eq!(world.transaction_ids("u-1"), [first.payment_intent.unwrap(), second.payment_intent.clone().unwrap()]);
    world.deliver(&world.simulator.stripe.refund(&second.session, None, "succeeded").events).await;
    world.until_held("u-1", "premium", begin + PASS).await;
    finish(world).await;
}

#[tokio::test]
async fn a_purchase_with_an_invoice_is_one_transaction() {
    let world = World::selling_once().await;
    let purchase = world.simulator.stripe.pay_once(NewPayment { invoice_creation: true, ..of(&world, "price_pass") });
    world.deliver(&purchase.events).await;
    world.until_held("u-1", "premium", paid_at(&world, &purchase) + PASS).await;
    world.daemon.until_idle().await;
    assert_eq!(world.transaction_ids("u-1"), [purchase.payment_intent.unwrap()]);
    finish(world).await;
}

#[tokio::test]
async fn a_bank_payment_is_granted_when_it_arrives() {
    let world = World::selling_once().await;
    let purchase = world.simulator.stripe.pay_once(NewPayment { paid: false, ..of(&world, "price_life") });
    world.deliver_and_settle(&purchase.events).await;
    assert_eq!(world.written("/grant/"), 0);
    world.deliver(&world.simulator.stripe.complete_async_payment(&purchase.session, true)).await;
    until_held_for_good(&world, "u-1").await;
    finish(world).await;
}

#[tokio::test]
async fn a_bank_payment_that_fails_gives_nothing() {
    let world = World::selling_once().await;
    let purchase = world.simulator.stripe.pay_once(NewPayment { paid: false, ..of(&world, "price_life") });
    world.deliver_and_settle(&purchase.events).await;
    world.deliver_and_settle(&world.simulator.stripe.complete_async_payment(&purchase.session, false)).await;
    assert_eq!(world.written("/grant/"), 0);
    assert!(world.simulator.adapty.level("u-1", "gold").is_none());
    finish(world).await;
}

#[tokio::test]
async fn a_guest_is_known_by_the_session() {
    let world = World::selling_once().await;
    let session = NewSession { metadata: metadata(&[("customer_user_id", "u-guest")]), ..NewSession::default() };
    let purchase = world.simulator.stripe.pay_once(NewPayment { customer: None, session, ..of(&world, "price_life") });
    world.deliver(&purchase.events).await;
    until_held_for_good(&world, "u-guest").await;
    let ledger = world.daemon.listed(&["ledger"]).await;
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    assert_eq!(ledger[0]["account"], format!("stripe:{}", purchase.session));
    finish(world).await;
}

#[tokio::test]
async fn a_guest_is_reported_with_the_country_they_gave_at_checkout() {
    let world = World::selling_once_with(&[("ADAPTY__API", "v2"), ("ADAPTY__DEFAULT_COUNTRY", "NL")]).await;
    let session = NewSession { metadata: metadata(&[("customer_user_id", "u-guest")]), ..NewSession::default() };
    let purchase = world.simulator.stripe.pay_once(NewPayment { customer: None, session, ..of(&world, "price_life") });
    let address = json!({ "country": "de" });
    world.simulator.stripe.edit(&purchase.session, |session| session["customer_details"]["address"] = address);
    world.deliver(&purchase.events).await;
    until_held_for_good(&world, "u-guest").await;
    let body = world.bodies("/purchase/set/transaction/").pop().unwrap();
    assert_eq!(body["price"]["country"], "DE");
    finish(world).await;
}

#[tokio::test]
async fn a_guest_without_a_user_id_is_parked_by_the_session() {
    let world = World::selling_once().await;
    let session = NewSession::default();
    let purchase = world.simulator.stripe.pay_once(NewPayment { customer: None, session, ..of(&world, "price_life") });
    world.deliver_and_settle(&purchase.events).await;
    let account = format!("stripe:{}", purchase.session);
    assert_eq!(world.parked().await, [("unknown_customer".to_owned(), account.clone())]);
    assert!(world.daemon.command(&["link", &account, "u-9"]).await.status.success());
    until_held_for_good(&world, "u-9").await;
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn a_refund_of_a_purchase_revokes_it() {
    let world = World::selling_once().await;
    let guest = NewPayment { customer: None, ..of(&world, "price_life") };
    for new in [of(&world, "price_life"), guest] {
        let revoked = world.written("/revoke/");
        let purchase = world.simulator.stripe.pay_once(new);
        world.deliver(&purchase.events).await;
        until_held_for_good(&world, "u-1").await;
        world.deliver(&world.simulator.stripe.refund(&purchase.session, None, "succeeded").events).await;
        world.until_gone("u-1", "gold").await;
        world.daemon.until_idle().await;
        assert_eq!(world.bodies("/revoke/")[revoked..], [json!({ "is_refund": true })]);
    }
    finish(world).await;
}

/// `u-1` subscribes to premium in Checkout, and buys `once` in the same session.
fn with_subscription(world: &World, once: &str) -> Bought {
    world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        once: vec![(once.to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1")]),
        session: Some(NewSession::default()),
        ..NewSubscription::default()
    })
}

/// Waits until `u-1` holds premium for the running period.
async fn until_subscribed(world: &World, bought: &Bought) {
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
}

#[tokio::test]
async fn a_one_time_price_in_a_subscriptions_checkout_gives_its_level_in_both_shapes() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::selling_once().await;
        world.simulator.stripe.set_shape(shape);
        let bought = with_subscription(&world, "price_life");
        world.deliver(&bought.events).await;
        until_held_for_good(&world, "u-1").await;
        until_subscribed(&world, &bought).await;
        let mut ids = world.transaction_ids("u-1");
        ids.sort();
        assert_eq!(ids, [bought.invoice, bought.subscription], "{shape:?}");
        let gold = world.simulator.adapty.transactions("u-1").into_iter().find(|row| row.product == "prod_life");
        assert_eq!(gold.unwrap().price, 49.99);
        assert_eq!(world.simulator.adapty.revenue("u-1")["USD"], 59.98, "each is reported with its own lines");
        assert_eq!(world.parked().await, []);
        finish(world).await;
    }
}

#[tokio::test]
async fn what_was_bought_with_a_subscription_outlasts_it() {
    let world = World::selling_once().await;
    let bought = with_subscription(&world, "price_life");
    world.deliver(&bought.events).await;
    until_held_for_good(&world, "u-1").await;
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    until_subscribed(&world, &bought).await;
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    until_held_for_good(&world, "u-1").await;
    assert_eq!(world.revokes(), [Refund::No]);
    finish(world).await;
}

#[tokio::test]
async fn a_refund_of_such_an_invoice_takes_the_subscriptions_level_and_the_purchases() {
    for shape in [Shape::Current, Shape::PreBasil] {
        let world = World::selling_once().await;
        world.simulator.stripe.set_shape(shape);
        let bought = with_subscription(&world, "price_life");
        world.deliver(&bought.events).await;
        until_held_for_good(&world, "u-1").await;
        until_subscribed(&world, &bought).await;
        world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
        world.until_gone("u-1", "gold").await;
        world.until_gone("u-1", "premium").await;
        world.daemon.until_idle().await;
        assert_eq!(world.revokes(), [Refund::Yes, Refund::Yes], "{shape:?}");
        finish(world).await;
    }
}

#[tokio::test]
async fn an_invoice_made_by_hand_gives_its_level_once_it_is_paid() {
    let world = World::selling_once().await;
    let known = NewCustomer { metadata: metadata(&[("customer_user_id", "u-1")]), ..NewCustomer::default() };
    let customer = world.simulator.stripe.add_customer(known).id;
    let invoice = world.simulator.stripe.send_invoice(&customer, &[("price_life", 1)]);
    world.deliver_and_settle(&invoice.events).await;
    assert_eq!(world.written("/grant/"), 0);
    world.deliver(&world.simulator.stripe.pay_invoice(&invoice.id)).await;
    until_held_for_good(&world, "u-1").await;
    assert_eq!(world.transaction_ids("u-1"), [invoice.id.as_str()]);
    world.deliver(&world.simulator.stripe.refund(&invoice.id, None, "succeeded").events).await;
    world.until_gone("u-1", "gold").await;
    assert_eq!(world.revokes(), [Refund::Yes]);
    finish(world).await;
}

#[tokio::test]
async fn a_one_time_price_billed_with_a_renewal_gives_its_level_beside_the_new_term() {
    let world = World::selling_once().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.simulator.stripe.add_invoice_item(&bought.subscription, "price_life");
    world.deliver(&world.simulator.stripe.renew(&bought.subscription)).await;
    until_held_for_good(&world, "u-1").await;
    until_subscribed(&world, &bought).await;
    let renewal = world.simulator.stripe.latest_invoice(&bought.subscription).unwrap();
    world.deliver(&world.simulator.stripe.refund(&renewal, None, "succeeded").events).await;
    world.until_gone("u-1", "gold").await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!(world.revokes(), [Refund::Yes, Refund::Yes]);
    finish(world).await;
}

#[tokio::test]
async fn a_fee_on_an_invoice_gives_nothing_holds_nothing_and_parks_nothing() {
    let world = World::selling_once().await;
    world.simulator.stripe.add_price(NewPrice::one_time("price_setup", "prod_setup", 1000));
    let bought = with_subscription(&world, "price_setup");
    world.deliver(&bought.events).await;
    until_subscribed(&world, &bought).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    assert_eq!(world.grants(), [9.99]);
    let stranger = world.simulator.stripe.add_customer(NewCustomer::default()).id;
    let invoice = world.simulator.stripe.send_invoice(&stranger, &[("price_setup", 1)]);
    world.deliver(&invoice.events).await;
    world.deliver_and_settle(&world.simulator.stripe.pay_invoice(&invoice.id)).await;
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await, []);
    finish(world).await;
}
