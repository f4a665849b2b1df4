//! A purchase, and everything that may go differently with it.

use chrono::TimeDelta;
use simulator::journal::Server;
use simulator::stripe::moves::{NewSubscription, metadata};
use simulator::stripe::shape::Shape;

use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

#[tokio::test]
async fn a_purchase_of_a_user_whom_adapty_does_not_know_ends_granted() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    assert!(world.simulator.adapty.profile("u-1").is_none());
    world.deliver(&bought.events).await;
    let level = world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(level.store, "stripe");
    let transactions = world.simulator.adapty.transactions("u-1");
    assert_eq!(transactions.len(), 1);
    let first = &transactions[0];
    assert_eq!(
        (first.id.as_str(), first.original.as_str()),
        (bought.subscription.as_str(), bought.subscription.as_str())
    );
    assert_eq!((first.product.as_str(), first.base_plan.as_deref()), ("prod_premium", Some("price_premium")));
    assert_eq!((first.price, first.currency.as_str(), first.is_sandbox), (9.99, "USD", true));
    finish(world).await;
}

#[tokio::test]
async fn twenty_duplicates_make_one_grant() {
    let world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    for _ in 0..20 {
        world.deliver(&bought.events).await;
    }
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    assert_eq!(world.written("/grant/"), 1);
    assert_eq!(world.simulator.adapty.transactions("u-1").len(), 1);
    finish(world).await;
}

/// How often a profile was read.
fn profile_reads(world: &World) -> usize {
    world.simulator.journal.count(|request| request.server == Server::Adapty && request.method == "GET")
}

/// Requests of syncs to Stripe.
fn asked_of_stripe(world: &World) -> usize {
    world.simulator.journal.count(|request| request.server == Server::Stripe && request.path != "/v1/events")
}

/// Triggers a sync of the subscription; what is sold, and to whom, stays as it is.
async fn triggers_without_news(world: &World, bought: &Bought) {
    let same = metadata(&[("customer_user_id", "u-1")]);
    world.deliver_and_settle(&world.simulator.stripe.set_subscription_metadata(&bought.subscription, &same)).await;
}

#[tokio::test]
async fn events_after_a_grant_read_no_profile_until_something_is_to_be_written() {
    let world = World::with(&[("POLICY__PROFILE_LAG", "2m")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let (before, asked) = (profile_reads(&world), asked_of_stripe(&world));
    for _ in 0..3 {
        triggers_without_news(&world, &bought).await;
    }
    assert_eq!(profile_reads(&world), before, "the grant has just shown it");
    assert_eq!(asked_of_stripe(&world) - asked, 3 * 2, "its subscriptions and its charges");
    assert!(world.daemon.metric("grantsync_profile_reads_saved_total").await >= Some(3.0));
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(profile_reads(&world), before + 1, "what is taken is read before");
    finish(world).await;
}

#[tokio::test]
async fn a_sync_that_was_asked_for_reads_the_profile() {
    let world = World::with(&[("POLICY__PROFILE_LAG", "2m")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.simulator.adapty.forget("u-1", "premium");
    let before = profile_reads(&world);
    triggers_without_news(&world, &bought).await;
    assert_eq!(profile_reads(&world), before);
    let output = world.daemon.command(&["resync", "--user", "u-1"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    world.daemon.until_idle().await;
    assert!(profile_reads(&world) > before, "{}", world.daemon.log());
    finish(world).await;
}

#[tokio::test]
async fn a_former_user_is_forgotten_only_after_a_read() {
    let world = World::with(&[("POLICY__PROFILE_LAG", "2m")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let moved = metadata(&[("customer_user_id", "u-2")]);
    let events = || world.simulator.stripe.set_subscription_metadata(&bought.subscription, &moved);
    world.deliver_and_settle(&events()).await;
    world.until_held("u-2", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    let before = profile_reads(&world);
    world.deliver_and_settle(&events()).await;
    assert_eq!(profile_reads(&world), before + 1, "that of the former user");
    world.deliver_and_settle(&events()).await;
    assert_eq!(profile_reads(&world), before + 1, "and no former user's once they are forgotten");
    finish(world).await;
}

#[tokio::test]
async fn without_a_lag_every_sync_reads_the_profile() {
    let world = World::with(&[("POLICY__PROFILE_LAG", "0s")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let before = profile_reads(&world);
    triggers_without_news(&world, &bought).await;
    assert_eq!(profile_reads(&world), before + 1);
    finish(world).await;
}

#[tokio::test]
async fn events_and_answers_of_an_old_api_version_lead_to_the_same_grant() {
    let world = World::start().await;
    world.simulator.stripe.set_shape(Shape::PreBasil);
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.simulator.adapty.transactions("u-1")[0].price, 9.99);
    finish(world).await;
}

#[tokio::test]
async fn a_whole_life_in_an_old_api_version_is_understood() {
    let world = World::start().await;
    world.simulator.stripe.set_shape(Shape::PreBasil);
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let unpaid_since = world.period_end(&bought.subscription);
    world.deliver(&world.simulator.stripe.fail_renewal(&bought.subscription)).await;
    world.until_held("u-1", "premium", unpaid_since + TimeDelta::days(3)).await;
    world.deliver(&world.simulator.stripe.recover(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    let renewal = world.simulator.stripe.latest_invoice(&bought.subscription).unwrap();
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.clone(), renewal.clone()]);
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    assert!(world.holds("u-1", "premium"), "the older term was refunded");
    world.deliver(&world.simulator.stripe.refund(&renewal, None, "succeeded").events).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_purchase_without_a_user_id_is_parked_until_it_is_linked() {
    let world = World::start().await;
    let prices = vec![("price_premium".to_owned(), 1)];
    let bought = world.subscribe(NewSubscription { prices, ..NewSubscription::default() });
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(world.written("/grant/"), 0);
    let account = format!("stripe:{}", bought.customer);
    let listed = world.daemon.command(&["parked", "list", "--json"]).await;
    let parked: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((&parked[0]["kind"], &parked[0]["account"]), (&"unknown_customer".into(), &account.as_str().into()));
    assert!(world.daemon.command(&["link", &account, "u-7"]).await.status.success());
    world.until_held("u-7", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    assert_eq!(world.daemon.command(&["parked", "list", "--json"]).await.stdout.trim(), "[]");
    finish(world).await;
}
