//! Stripe failing, and what cannot be understood: unknown is not no.

use std::time::Duration;

use simulator::fault::{Fault, Match, What};

use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

async fn held_through(world: &World, bought: &Bought) {
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
}

fn refused(status: u16) -> What {
    let body = r#"{"error":{"type":"invalid_request_error","message":"No."}}"#;
    What::Status(status, Vec::new(), body.to_owned())
}

#[tokio::test]
async fn after_an_error_of_stripe_it_is_asked_again() {
    for what in [refused(500), What::Html502, What::ResetBefore, What::Truncate, What::RetryAfter(1)] {
        let world = World::start().await;
        let when = Match::on("GET", "/v1/subscriptions");
        world.simulator.stripe.faults.inject(Fault { when, what, times: 4 });
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        held_through(&world, &bought).await;
        assert_eq!(world.transaction_ids("u-1"), [bought.subscription]);
        assert_eq!(world.parked().await, []);
        finish(world).await;
    }
}

#[tokio::test]
async fn a_stripe_that_hangs_is_given_up_and_asked_again() {
    let world = World::with(&[("STRIPE__TIMEOUT", "1s")]).await;
    world.simulator.stripe.faults.inject(Fault::once(Match::on("GET", "/v1/subscriptions"), What::HangForever));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    held_through(&world, &bought).await;
    finish(world).await;
}

#[tokio::test]
async fn a_key_that_may_not_read_charges_still_grants() {
    let world = World::start().await;
    world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/charges"), refused(403)));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    held_through(&world, &bought).await;
    let (_, health) = world.daemon.ready().await.unwrap();
    assert!(!health.contains("paused"), "{health}");
    finish(world).await;
}

#[tokio::test]
async fn a_key_that_may_not_read_charges_any_more_does_not_give_back_what_a_refund_took() {
    let world = World::start().await;
    let refunded = world.granted("u-2", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.refund(&refunded.invoice, None, "succeeded").events).await;
    world.until_gone("u-2", "premium").await;
    world.daemon.until_idle().await;
    world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/charges"), refused(403)));
    let account = format!("stripe:{}", refunded.customer);
    world.daemon.command(&["resync", &account, "--wait"]).await;
    world.daemon.until_idle().await;
    assert!(!world.holds("u-2", "premium"));
    finish(world).await;
}

#[tokio::test]
async fn an_unmapped_price_is_parked_until_it_is_in_the_catalog() {
    let mut world = World::start().await;
    let bought = world.buys("u-1", "price_unmapped");
    world.deliver_and_settle(&bought.events).await;
    let account = format!("stripe:{}", bought.customer);
    assert_eq!(world.parked().await, [("unmapped_price".to_owned(), account)]);
    assert_eq!(world.written("/grant/"), 0);
    world.catalog("price = \"price_unmapped\"\naccess_level = \"basic\"");
    assert_eq!(world.daemon.terminate().await.code(), Some(0));
    world.daemon.restart(&[]).await;
    world.until_held("u-1", "basic", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn a_subscription_moved_to_an_unmapped_price_keeps_what_was_granted() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let stripe = &world.simulator.stripe;
    world.deliver_and_settle(&stripe.change_price(&bought.subscription, &bought.item, "price_unmapped", false)).await;
    held_through(&world, &bought).await;
    world.deliver_and_settle(&stripe.renew(&bought.subscription)).await;
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (1, 0), "kept, and not extended");
    assert_eq!(world.parked().await[0].0, "unmapped_price");
    world.deliver(&stripe.change_price(&bought.subscription, &bought.item, "price_premium", false)).await;
    held_through(&world, &bought).await;
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn an_unknown_status_never_revokes() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let stripe = &world.simulator.stripe;
    world.deliver_and_settle(&stripe.set_status(&bought.subscription, "hibernating")).await;
    held_through(&world, &bought).await;
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (1, 0));
    let account = format!("stripe:{}", bought.customer);
    assert_eq!(world.parked().await, [("unknown_state".to_owned(), account)]);
    world.deliver_and_settle(&stripe.set_status(&bought.subscription, "active")).await;
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn simulated_time_counts_only_where_the_settings_say_so() {
    for (setting, counts) in [("refuse", false), ("allow", true)] {
        let world = World::with(&[("POLICY__TEST_CLOCKS", setting)]).await;
        let bought = world.buys("u-1", "price_premium");
        world.simulator.stripe.edit(&bought.subscription, |stored| stored["test_clock"] = "clock_1".into());
        world.deliver_and_settle(&bought.events).await;
        assert_eq!((world.holds("u-1", "premium"), world.parked().await.len()), (counts, usize::from(!counts)));
        finish(world).await;
    }
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_keeps_what_was_granted() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let stripe = &world.simulator.stripe;
    stripe.edit(&bought.subscription, |stored| stored["created"] = "yesterday".into());
    world.deliver_and_settle(&[stripe.event("customer.subscription.updated", &bought.subscription)]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (1, 0));
    assert_eq!(world.parked().await[0].0, "unknown_state");
    finish(world).await;
}

#[tokio::test]
async fn an_account_that_stripe_does_not_know_keeps_what_was_granted() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let when = Match::on("GET", "/v1/subscriptions");
    world.simulator.stripe.faults.inject(Fault::always(when, refused(404)));
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    assert!(world.holds("u-1", "premium"));
    assert_eq!((world.written("/revoke/"), world.parked().await[0].0.as_str()), (0, "look_failed"));
    world.simulator.stripe.faults.clear();
    assert!(world.daemon.command(&["parked", "release", "--all"]).await.status.success());
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

#[tokio::test]
async fn a_key_that_stripe_refuses_keeps_the_work() {
    let mut world = World::start().await;
    world.simulator.stripe.remove_key("sk_test_sandbox");
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    let refused = |requests: &[simulator::journal::Request]| requests.iter().any(|request| request.status == Some(401));
    world.simulator.journal.wait_for(Duration::from_secs(10), refused).await.unwrap();
    world.daemon.until_idle().await;
    let (status, health) = world.daemon.ready().await.unwrap();
    assert_eq!((status, health.contains("paused")), (200, true), "{health}");
    world.simulator.stripe.add_key("sk_test_sandbox");
    world.daemon.restart(&[]).await;
    held_through(&world, &bought).await;
    finish(world).await;
}
