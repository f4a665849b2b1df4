//! Rights that are not ours, and a profile that somebody else changes.

use chrono::TimeDelta;
use simulator::clock;

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World, same};

#[tokio::test]
async fn a_longer_right_of_another_store_is_left_alone() {
    let world = World::start().await;
    let far = clock::now() + TimeDelta::days(300);
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(far));
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    let level = world.simulator.adapty.level("u-1", "premium").unwrap();
    assert!(same(level.expires_at.unwrap(), far));
    assert_eq!((level.store.as_str(), world.written("/grant/"), world.written("/revoke/")), ("app_store", 0, 0));
    finish(world).await;
}

#[tokio::test]
async fn a_lifetime_of_the_dashboard_is_left_alone() {
    let world = World::start().await;
    world.simulator.adapty.put_level("u-1", "premium", "adapty", None);
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    assert!(world.simulator.adapty.level("u-1", "premium").unwrap().is_lifetime);
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (0, 0));
    finish(world).await;
}

#[tokio::test]
async fn a_shorter_right_of_another_store_is_made_longer() {
    let world = World::start().await;
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(clock::now() + TimeDelta::days(3)));
    world.granted("u-1", "price_premium", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_right_of_another_store_bought_after_ours_survives_the_end_of_ours() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let far = clock::now() + TimeDelta::days(300);
    world.simulator.adapty.put_level("u-1", "premium", "play_store", Some(far));
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.deliver_and_settle(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    assert!(world.holds("u-1", "premium"));
    assert_eq!(world.written("/revoke/"), 0);
    finish(world).await;
}

#[tokio::test]
async fn what_somebody_took_out_of_the_profile_is_granted_again() {
    let world = World::with(&[("POLICY__PROFILE_LAG", "1s")]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.simulator.adapty.forget("u-1", "premium");
    assert!(world.daemon.command(&["resync", "--user", "u-1"]).await.status.success());
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription]);
    finish(world).await;
}

#[tokio::test]
async fn what_the_app_store_is_paid_for_stays_when_the_web_sale_before_it_is_refunded() {
    let world = World::start().await;
    let apples_end = clock::now() + TimeDelta::days(20);
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(apples_end));
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver(&world.simulator.stripe.refund(&bought.invoice, None, "succeeded").events).await;
    world.until_held("u-1", "premium", apples_end).await;
    world.daemon.until_idle().await;
    assert_eq!(world.written("/revoke/"), 0);
    let explained = world.daemon.command(&["explain", "--user", "u-1"]).await.stdout;
    assert!(explained.contains("`app_store` is paid for this level"), "{explained}");
    assert!(explained.contains("the refund is not reported"), "{explained}");
    finish(world).await;
}
