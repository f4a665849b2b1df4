//! `resync`: one account, one subscription, everybody.

use std::time::Duration;

use crate::harness::final_checks::finish;
use crate::harness::world::World;

async fn said(world: &World, arguments: &[&str]) -> String {
    let output = world.daemon.command(arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

#[tokio::test]
async fn a_backfill_grants_what_was_sold_before_the_first_start() {
    let world = World::with(&[("CATCH_UP__EVERY", "1h")]).await;
    for number in 0..230 {
        world.buys(&format!("u-{number}"), "price_premium");
    }
    let text = said(&world, &["resync", "--all", "--wait"]).await;
    assert!(text.contains("230 accounts are due") && text.contains("done; 0 accounts could not"), "{text}");
    assert_eq!(world.simulator.adapty.profile_count(), 230);
    assert_eq!(world.written("/grant/"), 230);
    let again = said(&world, &["resync", "--all", "--wait"]).await;
    assert!(again.contains("230 accounts are due"), "{again}");
    assert_eq!(world.written("/grant/"), 230, "what is right is left alone");
    finish(world).await;
}

#[tokio::test]
async fn a_backfill_that_was_killed_goes_on_where_it_was() {
    let world = World::with(&[("CATCH_UP__EVERY", "1h")]).await;
    for number in 0..600 {
        world.buys(&format!("u-{number}"), "price_premium");
    }
    let pages = || {
        world
            .simulator
            .journal
            .count(|request| request.path == "/v1/subscriptions" && !request.query.contains("customer="))
    };
    // a page takes a fifth of a second: it is killed in the middle
    world.simulator.stripe.faults.latency(Duration::from_millis(200));
    let killed = tokio::time::timeout(Duration::from_millis(700), world.daemon.command(&["resync", "--all"])).await;
    assert!(killed.is_err(), "it was over before it could be killed");
    world.simulator.stripe.faults.latency(Duration::ZERO);
    let text = said(&world, &["resync", "--all"]).await;
    assert!(text.contains("600 accounts are due"), "{text}");
    assert!(pages() <= 8, "{} pages were read for six", pages());
    finish(world).await;
}

#[tokio::test]
async fn a_dry_run_prints_what_would_be_done_and_does_nothing() {
    let world = World::with(&[("CATCH_UP__EVERY", "1h")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.buys("u-2", "price_gold");
    let all = said(&world, &["resync", "--all", "--dry-run"]).await;
    assert!(all.contains("2 accounts; 0 have no known user") && all.contains("would grant `gold`: 1"), "{all}");
    let one = said(&world, &["resync", &format!("stripe:{}", bought.customer), "--dry-run"]).await;
    assert!(one.contains("grant premium until"), "{one}");
    assert_eq!((world.simulator.adapty.profile_count(), world.daemon.listed(&["ledger"]).await.len()), (0, 0));
    finish(world).await;
}

#[tokio::test]
async fn the_account_of_a_subscription_is_found_and_waited_for_without_a_daemon() {
    let mut world = World::with(&[("CATCH_UP__EVERY", "1h")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.daemon.terminate().await;
    let text = said(&world, &["resync", &format!("stripe:{}", bought.customer), "--wait"]).await;
    assert!(text.contains("is synced") && world.holds("u-1", "premium"), "{text}");
    world.daemon.restart(&[]).await;
    let other = world.buys("u-2", "price_premium");
    said(&world, &["resync", "--subscription", &other.subscription]).await;
    world.until_held("u-2", "premium", world.period_end(&other.subscription) + crate::harness::world::SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn a_purchase_does_not_wait_for_a_backfill() {
    let world = World::with(&[
        ("CATCH_UP__EVERY", "1h"),
        ("STRIPE__REQUESTS_PER_SECOND", "40"),
        ("ADAPTY__REQUESTS_PER_SECOND", "40"),
    ])
    .await;
    for number in 0..200 {
        world.buys(&format!("u-{number}"), "price_premium");
    }
    said(&world, &["resync", "--all"]).await;
    let began = std::time::Instant::now();
    let bought = world.buys("fresh", "price_gold");
    world.deliver(&bought.events).await;
    world.until_held("fresh", "gold", world.period_end(&bought.subscription) + crate::harness::world::SLACK).await;
    let took = began.elapsed();
    let left = world.daemon.metric("grantsync_due_accounts").await.unwrap();
    assert!(left > 20.0, "it took {took:?}, and the backfill was over already: {left} left");
    world.daemon.until_idle().await;
    assert_eq!(world.simulator.adapty.profile_count(), 201);
    finish(world).await;
}
