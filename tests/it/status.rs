//! `status` shows no paywall to who may have paid: rights that end in seconds, and vendors that are silent just then.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use simulator::fault::{Fault, Match, What};
use simulator::stripe::moves::NewPrice;

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, World};

/// How long what is bought in a test lasts: long enough to be granted, and short enough to be waited for.
const SHORT: TimeDelta = TimeDelta::seconds(12);

/// A world where a period is over when it is paid for, without slack, and `price_short` lasts for seconds.
async fn world() -> World {
    let world = World::with(&[("POLICY__RENEWAL_SLACK", "0s"), ("POLICY__PROFILE_LAG", "0s")]).await;
    world.simulator.stripe.add_price(NewPrice::recurring("price_short", "prod_premium", 999, SHORT));
    world
}

/// The status of u-1; `None` when nothing is known.
async fn status(world: &World, more: &[&str]) -> Option<Value> {
    let answer = world.daemon.command(&[&["status", "u-1", "--json"], more].concat()).await;
    answer.status.success().then(|| serde_json::from_str(&answer.stdout).unwrap())
}

/// Asks until the answer is so.
async fn until(world: &World, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = status(world, &[]).await;
        if let Some(answer) = answer.filter(&is_so) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{}", world.daemon.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// u-1 buys for some seconds, and holds premium.
async fn granted(world: &World) -> (Bought, DateTime<Utc>) {
    let bought = world.buys("u-1", "price_short");
    let end = world.period_end(&bought.subscription);
    world.deliver_and_settle(&bought.events).await;
    until(world, |answer| answer["levels"][0]["will_renew"] == true).await;
    assert!(simulator::clock::now() < end, "the machine is too slow for a right of {SHORT}");
    (bought, end)
}

/// Until a second past `end` no paywall is shown; answers the status then.
async fn nobody_is_locked_out_past(world: &World, end: DateTime<Utc>) -> Value {
    loop {
        let asked = simulator::clock::now();
        let answer = status(world, &[]).await.unwrap();
        assert_eq!(answer["paywall"], false, "{} before the end: {answer}", end - asked);
        if asked > end + TimeDelta::seconds(1) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn down(status: u16) -> Fault {
    Fault::always(Match::any(), What::Status(status, Vec::new(), String::new()))
}

#[tokio::test]
async fn who_pays_in_a_store_of_the_app_sees_no_paywall_when_their_period_ends() {
    let world = world().await;
    let bought = world.buys("u-1", "price_gold");
    world.deliver_and_settle(&bought.events).await;
    let end = simulator::clock::now() + SHORT;
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(end));
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    let answer = until(&world, |answer| {
        answer["levels"].as_array().is_some_and(|all| all.iter().any(|of| of["active"] == true))
    })
    .await;
    assert_eq!((&answer["stale"], &answer["paywall"]), (&json!(false), &json!(false)));
    // the store's renewal is visible only after the old period is over
    let answer = nobody_is_locked_out_past(&world, end).await;
    assert_eq!(answer["stale"], true, "{answer}");
    world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(end + TimeDelta::days(30)));
    // nothing triggers it
    let answer = until(&world, |answer| answer["stale"] == false).await;
    assert_eq!(answer["paywall"], false, "{answer}");
    finish(world).await;
}

#[tokio::test]
async fn an_end_while_stripe_is_down_locks_nobody_out_not_even_in_its_first_second() {
    let world = world().await;
    let (_, end) = granted(&world).await;
    world.simulator.stripe.faults.inject(down(503));
    let answer = nobody_is_locked_out_past(&world, end).await;
    assert_eq!(answer["stale"], true, "{answer}");
    world.simulator.stripe.faults.clear();
    finish(world).await;
}

#[tokio::test]
async fn a_sync_that_was_given_up_is_called_stale_and_locks_nobody_out() {
    let world = world().await;
    let (bought, end) = granted(&world).await;
    world.simulator.stripe.faults.inject(down(400));
    world.deliver(&bought.events[..1]).await;
    let resync = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(!resync.status.success(), "{}", resync.stdout);
    world.daemon.until_idle().await;
    assert!(world.parked().await.iter().any(|(kind, _)| kind == "look_failed"));
    let answer = status(&world, &[]).await.unwrap();
    assert_eq!((&answer["stale"], &answer["paywall"]), (&json!(true), &json!(false)), "{answer}");
    nobody_is_locked_out_past(&world, end).await;
    finish(world).await;
}

#[tokio::test]
async fn who_buys_while_adapty_is_down_sees_no_paywall() {
    for status_code in [503, 400] {
        let world = World::with(&[("POLICY__PROFILE_LAG", "0s")]).await;
        world.simulator.adapty.faults.inject(down(status_code));
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        let answer = until(&world, |_| true).await;
        assert_eq!((&answer["paywall"], &answer["levels"][0]["active"]), (&json!(false), &json!(true)), "{answer}");
        let answer = status(&world, &["--fresh"]).await.unwrap();
        assert_eq!((&answer["paywall"], &answer["stale"]), (&json!(false), &json!(true)), "{answer}");
        world.simulator.adapty.faults.clear();
        assert!(world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await.status.success());
        assert!(world.simulator.adapty.has("u-1", "premium"));
        finish(world).await;
    }
}

#[tokio::test]
async fn who_had_an_account_before_is_not_taken_for_its_payer_for_ever() {
    let world = world().await;
    let (bought, end) = granted(&world).await;
    let account = format!("stripe:{}", bought.customer);
    assert!(world.daemon.command(&["link", &account, "u-2"]).await.status.success());
    let answer = until(&world, |answer| answer["paywall"] == true).await;
    assert_eq!(answer["stale"], false, "{answer}");
    while simulator::clock::now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status(&world, &[]).await.unwrap()["paywall"], true);
    finish(world).await;
}
