//! IAPHUB read for `status`: what the app's stores sold counts, and nothing is written to it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::fault::{Fault, Match, What};
use simulator::journal::Server;

use crate::harness::final_checks::finish;
use crate::harness::world::World;

const KEY: &str = "iaphub_sandbox_key";

/// A world that knows the IAPHUB of `world`; it is started anew with its address.
async fn world(settings: &[(&str, &str)]) -> World {
    let iaphub = [
        ("IAPHUB__APP_ID", "app_1"),
        ("IAPHUB__API_KEY", KEY),
        ("IAPHUB__API_BASE", World::IAPHUB),
        ("IAPHUB__REQUESTS_PER_SECOND", "500"),
        ("IAPHUB__LEVELS__IOS_MONTHLY", "premium"),
    ];
    World::with(&[&iaphub, settings].concat()).await
}

/// A monthly subscription of the App Store for ten more days.
fn subscription() -> Value {
    json!({
        "id": "1", "type": "renewable_subscription", "sku": "ios_monthly", "platform": "ios", "subscriptionState": "active",
        "expirationDate": (simulator::clock::now() + TimeDelta::days(10)).to_rfc3339(), "isSubscriptionRenewable": true,
    })
}

async fn status(world: &World, more: &[&str]) -> Value {
    let answer = world.daemon.command(&[&["status", "u-1", "--json"], more].concat()).await;
    assert!(answer.status.success(), "{}", answer.stderr);
    serde_json::from_str(&answer.stdout).unwrap()
}

/// Requests to the IAPHUB.
fn asked(world: &World) -> usize {
    world.simulator.journal.count(|request| request.server == Server::Iaphub)
}

#[tokio::test]
async fn somebody_who_pays_in_the_app_alone_sees_no_paywall() {
    let world = world(&[]).await;
    let unknown = world.daemon.command(&["status", "u-1"]).await;
    assert_eq!(unknown.status.code(), Some(1), "{}", unknown.stdout);
    world.simulator.iaphub.set_products("u-1", &[subscription()]);
    let answer = status(&world, &["--fresh"]).await;
    assert_eq!((&answer["paywall"], &answer["stale"]), (&json!(false), &json!(false)));
    let level = &answer["levels"][0];
    assert_eq!(
        (&level["level"], &level["store"], &level["will_renew"]),
        (&json!("premium"), &json!("app_store"), &json!(true))
    );
    assert_eq!(world.simulator.adapty.profile_count(), 0, "nothing is granted on its word");
    finish(world).await;
}

#[tokio::test]
async fn an_app_store_and_a_web_subscription_are_both_listed_and_called_double() {
    let world = world(&[]).await;
    world.granted("u-1", "price_premium", "premium").await;
    let before = asked(&world);
    assert_eq!(before, 0, "no sync asks it");
    assert_eq!(status(&world, &[]).await["double_subscription"], false);
    world.simulator.iaphub.set_products("u-1", &[subscription()]);
    let answer = status(&world, &["--fresh"]).await;
    assert_eq!((&answer["double_subscription"], &answer["levels"][0]["store"]), (&json!(true), &json!("stripe")));
    let report = world.daemon.command(&["reconcile", "--report-only", "--json"]).await.stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let doubled = &report["double_subscriptions"][0];
    assert_eq!(
        (&doubled["user"], &doubled["level"], &doubled["store"]),
        (&json!("u-1"), &json!("premium"), &json!("app_store"))
    );
    let writes = world.simulator.journal.count(|of| of.server == Server::Iaphub && of.method != "GET");
    assert_eq!(writes, 0, "it is only read");
    finish(world).await;
}

#[tokio::test]
async fn a_subscription_in_the_app_stays_called_double_behind_the_longer_right_of_the_web() {
    for api in ["v1", "v2"] {
        let world = World::with(&[("ADAPTY__API", api), ("POLICY__PROFILE_LAG", "0s")]).await;
        world.simulator.adapty.set_product("prod_premium", Some("premium"));
        let soon = simulator::clock::now() + TimeDelta::days(10);
        world.simulator.adapty.put_level("u-1", "premium", "app_store", Some(soon));
        let bought = world.granted("u-1", "price_premium", "premium").await;
        let synced = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
        assert!(synced.status.success(), "{}", synced.stderr);
        let answer = status(&world, &[]).await;
        let [double, store] = [&answer["double_subscription"], &answer["levels"][0]["store"]];
        assert_eq!((double, store), (&json!(true), &json!("stripe")), "{api}: {answer:#}");
        let report = world.daemon.command(&["reconcile", "--report-only", "--json"]).await.stdout;
        let report: Value = serde_json::from_str(&report).unwrap();
        let doubled = &report["double_subscriptions"][0];
        assert_eq!([&doubled["user"], &doubled["level"], &doubled["store"]], ["u-1", "premium", "app_store"], "{api}");
        world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
        assert_eq!(status(&world, &[]).await["double_subscription"], false, "{api}: one of them is over");
        finish(world).await;
    }
}

#[tokio::test]
async fn an_iaphub_that_does_not_answer_makes_the_status_stale_and_locks_nobody_out() {
    for silent in [
        What::Status(500, Vec::new(), String::new()),
        What::Status(200, Vec::new(), r#"{"error":"server_error"}"#.into()),
        // a user whom it does not know is answered for with 200
        What::Status(404, Vec::new(), String::new()),
        What::HangForever,
    ] {
        let world = world(&[("IAPHUB__GOOD_FOR", "0s"), ("IAPHUB__TIMEOUT", "1s")]).await;
        world.simulator.iaphub.faults.inject(Fault::always(Match::any(), silent.clone()));
        let unheard = status(&world, &[]).await;
        let answer = [&unheard["paywall"], &unheard["stale"], &unheard["levels"]];
        assert_eq!(answer, [&json!(false), &json!(true), &json!([])], "nothing was ever answered");
        world.simulator.iaphub.faults.clear();
        world.simulator.iaphub.set_products("u-1", &[subscription()]);
        assert_eq!(status(&world, &[]).await["paywall"], false);
        world.simulator.iaphub.faults.inject(Fault::always(Match::any(), silent));
        let answer = status(&world, &[]).await;
        assert_eq!((&answer["paywall"], &answer["stale"]), (&json!(false), &json!(true)));
        assert!(answer["as_of"].is_string());
        finish(world).await;
    }
}

#[tokio::test]
async fn an_answer_is_good_for_a_while_and_an_unknown_user_bought_nothing() {
    let world = world(&[]).await;
    world.granted("u-1", "price_premium", "premium").await;
    assert_eq!((status(&world, &[]).await["stale"].clone(), asked(&world)), (json!(false), 1));
    status(&world, &[]).await;
    assert_eq!(asked(&world), 1, "it is kept for a minute");
    status(&world, &["--fresh"]).await;
    assert_eq!(asked(&world), 2);
    world.simulator.iaphub.remove_keys();
    let answer = status(&world, &["--fresh"]).await;
    assert_eq!((&answer["stale"], &answer["paywall"]), (&json!(true), &json!(false)));
    finish(world).await;
}

#[tokio::test]
async fn a_page_does_not_wait_for_iaphub_where_its_last_answer_opens_something() {
    let token = "a-token-for-the-tests";
    let world = world(&[("IAPHUB__GOOD_FOR", "0s"), ("SERVER__ADMIN_TOKEN", token)]).await;
    let asked_for = async || -> Value {
        let (status, text) = world.daemon.get_with("/v1/users/u-1/status", token).await.unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    world.simulator.iaphub.set_products("u-1", &[subscription()]);
    assert_eq!(asked_for().await["stale"], false);
    world.simulator.iaphub.faults.inject(Fault::always(Match::any(), What::HangForever));
    let answer = asked_for().await;
    assert_eq!(
        (&answer["paywall"], &answer["stale"]),
        (&json!(false), &json!(false)),
        "to wait would have been in vain"
    );
    let silent = async {
        while asked_for().await["stale"] == false {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let known = tokio::time::timeout(crate::harness::daemon::PATIENCE, silent).await;
    assert!(known.is_ok(), "once it is known to be silent, it is not waited for");
    assert_eq!(asked_for().await["paywall"], false);
    finish(world).await;
}

#[tokio::test]
async fn a_sale_of_the_web_that_was_written_to_iaphub_is_no_second_one() {
    let world = world(&[]).await;
    world.granted("u-1", "price_premium", "premium").await;
    let mut web = subscription();
    web["platform"] = "web".into();
    world.simulator.iaphub.set_products("u-1", &[web]);
    assert_eq!(status(&world, &["--fresh"]).await["double_subscription"], false);
    finish(world).await;
}

#[tokio::test]
async fn a_check_says_whether_its_key_works() {
    let world = world(&[]).await;
    let answer = world.daemon.command(&["check"]).await;
    assert!(answer.stdout.contains("iaphub") && answer.stdout.contains("the key works"), "{}", answer.stdout);
    world.simulator.iaphub.faults.inject(Fault::always(Match::any(), What::Status(404, Vec::new(), String::new())));
    let answer = world.daemon.command(&["check"]).await;
    assert!(answer.stdout.contains("see that `iaphub.app_id` is right"), "{}", answer.stdout);
    world.simulator.iaphub.faults.clear();
    world.simulator.iaphub.remove_keys();
    let answer = world.daemon.command(&["check"]).await;
    assert!(answer.stdout.contains("IAPHUB refuses the key"), "{}", answer.stdout);
    finish(world).await;
}
