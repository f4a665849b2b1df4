//! Events that no webhook brought are fetched.

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

#[tokio::test]
async fn a_purchase_whose_webhooks_never_came_is_granted_after_a_restart() {
    let mut world = World::start().await;
    let bought = world.buys("u-1", "price_premium");
    assert!(!world.holds("u-1", "premium"));
    world.daemon.restart(&[]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn a_purchase_whose_webhooks_never_came_is_granted_within_the_interval() {
    let world = World::with(&[("CATCH_UP__EVERY", "1s")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn what_webhooks_delivered_triggers_nothing_again() {
    let mut world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let syncs = |world: &World| world.simulator.journal.count(|request| request.path == "/v1/subscriptions");
    let before = syncs(&world);
    world.daemon.restart(&[]).await;
    let asked =
        |seen: &[simulator::journal::Request]| seen.iter().filter(|request| request.path == "/v1/events").count() >= 1;
    world.simulator.journal.wait_for(crate::harness::daemon::PATIENCE, asked).await.unwrap();
    world.daemon.until_idle().await;
    assert_eq!(syncs(&world), before, "{}", bought.subscription);
    finish(world).await;
}

#[tokio::test]
async fn a_key_that_may_not_read_events_changes_nothing_else() {
    use simulator::fault::{Fault, Match, What};
    let mut world = World::start().await;
    let refused = What::Status(403, vec![], r#"{"error":{"type":"invalid_request_error"}}"#.to_owned());
    world.simulator.stripe.faults.inject(Fault::always(Match::on("GET", "/v1/events"), refused));
    world.daemon.restart(&[]).await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}
