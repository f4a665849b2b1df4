//! Transactions of the web, written to IAPHUB where a path for them is set: by a route that is not public, so that all of
//! this is held against our own IAPHUB alone.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use simulator::fault::{Fault, Match, What};
use simulator::journal::{Request, Server};
use simulator::stripe::moves::metadata;

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::finish;
use crate::harness::world::{Bought, SLACK, World};

const KEY: &str = "iaphub_sandbox_key";
const CREATE: &str = "/v1/app/app_1/user/{user}/transaction";
const UPDATE: &str = "/v1/app/app_1/user/{user}/transaction/{transaction}";

/// A world that reads IAPHUB for `status`.
async fn world(settings: &[(&str, &str)]) -> World {
    let iaphub = [
        ("IAPHUB__APP_ID", "app_1"),
        ("IAPHUB__API_KEY", KEY),
        ("IAPHUB__API_BASE", World::IAPHUB),
        ("IAPHUB__REQUESTS_PER_SECOND", "500"),
        ("POLICY__PROFILE_LAG", "0s"),
    ];
    World::with(&[&iaphub, settings].concat()).await
}

/// The same with the paths by which it takes transactions.
async fn writing(settings: &[(&str, &str)]) -> World {
    let paths = [
        ("IAPHUB__CREATE_PATH", "/v1/app/{app}/user/{user}/transaction"),
        ("IAPHUB__UPDATE_PATH", "/v1/app/{app}/user/{user}/transaction/{transaction}"),
    ];
    let world = world(&[&paths, settings].concat()).await;
    world.simulator.iaphub.take_transactions(CREATE, UPDATE);
    world
}

fn is_write(request: &Request) -> bool {
    request.server == Server::Iaphub && request.method != "GET"
}

/// Writes to the IAPHUB.
fn writes(world: &World) -> usize {
    world.simulator.journal.count(is_write)
}

/// Waits until the IAPHUB has so many transactions of `u-1` that are so, and answers with all.
async fn until_written(world: &World, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let written = || world.simulator.iaphub.transactions("u-1");
    let waited = world.simulator.journal.wait_for(PATIENCE, |_| is_so(&written())).await;
    assert!(waited.is_ok(), "{:#?}\n{}", written(), world.daemon.log());
    world.daemon.until_idle().await;
    written()
}

fn moment(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn by_default_nothing_is_written() {
    let world = world(&[]).await;
    world.simulator.iaphub.take_transactions(CREATE, UPDATE);
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!(writes(&world), 0);
    assert!(world.daemon.listed(&["ledger"]).await.iter().all(|line| line["destination"] == "adapty"));
    finish(world).await;
}

#[tokio::test]
async fn a_purchase_is_written_once_however_many_events_come() {
    let world = writing(&[]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let written = until_written(&world, |written| written.len() == 1).await;
    let sale = &written[0];
    let expected = [
        ("userId", json!("u-1")),
        ("environment", json!("production")),
        ("platform", json!("stripe")),
        ("productSku", json!("prod_premium")),
        ("orderId", json!(bought.subscription)),
        ("originalPurchase", json!(bought.subscription)),
        ("currency", json!("USD")),
        ("price", json!(9.99)),
        ("isSandbox", json!(true)),
        ("isRefunded", json!(false)),
        ("isSubscription", json!(true)),
        ("isSubscriptionRenewable", json!(true)),
        ("subscriptionState", json!("active")),
        ("subscriptionPeriodType", json!("normal")),
    ];
    expected.iter().for_each(|(field, value)| assert_eq!(&sale[*field], value, "{field} of {sale:#}"));
    assert_eq!(moment(&sale["expirationDate"]), world.period_end(&bought.subscription) + SLACK);
    for _ in 0..20 {
        world.deliver(&bought.events).await;
    }
    world.daemon.until_idle().await;
    let again = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(again.status.success(), "{}", again.stderr);
    assert_eq!((writes(&world), world.written("/grant/")), (1, 1));
    finish(world).await;
}

#[tokio::test]
async fn a_renewal_is_a_sale_of_the_same_original_which_a_cancellation_and_a_refund_change() {
    let world = writing(&[]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    let renewal = world.simulator.stripe.latest_invoice(&bought.subscription).unwrap();
    let written = until_written(&world, |written| written.len() == 2).await;
    let of = |written: &[Value]| written.iter().find(|of| of["orderId"] == renewal.as_str()).cloned().unwrap();
    assert_eq!(of(&written)["originalPurchase"], bought.subscription.as_str());

    world.deliver_and_settle(&world.simulator.stripe.cancel_at_period_end(&bought.subscription, true)).await;
    let written = until_written(&world, |written| of(written)["isSubscriptionRenewable"] == false).await;
    assert_eq!((written.len(), &of(&written)["subscriptionState"]), (2, &json!("active")));
    assert_eq!(moment(&of(&written)["expirationDate"]), world.period_end(&bought.subscription));

    world.deliver_and_settle(&world.simulator.stripe.refund(&renewal, None, "succeeded").events).await;
    let written = until_written(&world, |written| of(written)["isRefunded"] == true).await;
    let refunded = of(&written);
    assert_eq!((written.len(), &refunded["subscriptionState"]), (2, &json!("expired")));
    assert_eq!(refunded["subscriptionCancelReason"], "refunded");
    assert!(refunded["refundDate"].is_string());
    assert_eq!(writes(&world), 4);
    finish(world).await;
}

#[tokio::test]
async fn what_is_canceled_at_once_has_ended() {
    let world = writing(&[]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    until_written(&world, |written| written.len() == 1).await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    let written = until_written(&world, |written| written[0]["subscriptionState"] == "expired").await;
    assert!(moment(&written[0]["expirationDate"]) <= simulator::clock::now());
    assert_eq!((&written[0]["isRefunded"], writes(&world)), (&json!(false), 2));
    finish(world).await;
}

#[tokio::test]
async fn an_iaphub_that_fails_holds_up_no_grant_and_is_written_to_later() {
    for failing in [
        What::Status(500, Vec::new(), String::new()),
        What::Status(200, Vec::new(), r#"{"error":"server_error"}"#.into()),
        What::HangForever,
    ] {
        let world = writing(&[("IAPHUB__TIMEOUT", "1s")]).await;
        world.simulator.iaphub.faults.inject(Fault::always(Match::on("POST", "/transaction"), failing));
        world.granted("u-1", "price_premium", "premium").await;
        let failed = world.simulator.journal.wait_for(PATIENCE, |requests| requests.iter().any(is_write)).await;
        assert!(failed.is_ok(), "{}", world.daemon.log());
        let status = world.daemon.command(&["status", "u-1", "--json"]).await;
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!((&status["paywall"], &status["levels"][0]["level"]), (&json!(false), &json!("premium")));
        assert_eq!(world.simulator.iaphub.transactions("u-1"), [json!(null); 0]);
        world.simulator.iaphub.faults.clear();
        until_written(&world, |written| written.len() == 1).await;
        assert_eq!((world.written("/grant/"), world.parked().await), (1, vec![]));
        finish(world).await;
    }
}

#[tokio::test]
async fn a_refused_sale_is_parked_says_what_to_do_and_is_written_when_released() {
    let world = writing(&[]).await;
    let refusal = What::Status(400, Vec::new(), r#"{"error":"product_not_found"}"#.into());
    world.simulator.iaphub.faults.inject(Fault::always(Match::on("POST", "/transaction"), refusal));
    world.granted("u-1", "price_premium", "premium").await;
    let parked = world.daemon.listed(&["parked"]).await;
    assert_eq!((parked.len(), parked[0]["kind"].as_str()), (1, Some("refused_step")), "{parked:?}");
    let hint = parked[0]["hint"].as_str().unwrap();
    assert!(hint.contains("`iaphub.create_path`") && hint.contains("`grantsync parked release`"), "{hint}");
    world.simulator.iaphub.faults.clear();
    let released = world.daemon.command(&["parked", "release", "--all"]).await;
    assert!(released.status.success(), "{}", released.stderr);
    until_written(&world, |written| written.len() == 1).await;
    assert_eq!((world.parked().await, world.written("/grant/")), (vec![], 1));
    finish(world).await;
}

#[tokio::test]
async fn an_app_that_fails_holds_up_no_write_to_iaphub() {
    let world = writing(&[]).await;
    let failing = What::Status(500, Vec::new(), String::new());
    world.simulator.adapty.faults.inject(Fault::always(Match::any(), failing));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    let written =
        world.simulator.journal.wait_for(PATIENCE, |_| world.simulator.iaphub.transactions("u-1").len() == 1).await;
    assert!(written.is_ok(), "{}", world.daemon.log());
    world.simulator.adapty.faults.clear();
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    finish(world).await;
}

#[tokio::test]
async fn what_changes_hands_has_ended_for_the_former_user_and_is_written_for_the_other() {
    let one = "/v1/app/{app}/user/{user}/transaction";
    let world = writing(&[("IAPHUB__UPDATE_PATH", one)]).await;
    world.simulator.iaphub.take_transactions(CREATE, CREATE);
    let bought = world.granted("u-1", "price_premium", "premium").await;
    until_written(&world, |written| written.len() == 1).await;
    let named = metadata(&[("customer_user_id", "u-2")]);
    world.deliver_and_settle(&world.simulator.stripe.set_subscription_metadata(&bought.subscription, &named)).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    let requests = world.simulator.journal.requests();
    let written = requests.iter().filter(|request| is_write(request));
    let written: Vec<_> = written.map(|of| [&of.body["userId"], &of.body["subscriptionState"]]).collect();
    assert_eq!(written, [["u-1", "active"], ["u-1", "expired"], ["u-2", "active"]]);
    finish(world).await;
}

#[tokio::test]
async fn who_only_observes_writes_nothing() {
    let world = writing(&[("POLICY__MODE", "observe")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&bought.events).await;
    assert_eq!(writes(&world), 0);
    assert!(world.daemon.log().contains("observing: would report"), "{}", world.daemon.log());
    finish(world).await;
}

#[tokio::test]
async fn a_check_says_that_sales_are_written() {
    let world = writing(&[]).await;
    let written = world.daemon.command(&["check"]).await.stdout;
    assert!(written.contains("web transactions are written to `iaphub.create_path`"), "{written}");
    assert_eq!(writes(&world), 0);
    finish(world).await;
}

async fn of_iaphub(world: &World) -> Vec<Value> {
    let output = world.daemon.command(&["ledger", "list", "--limit", "1000", "--json"]).await.stdout;
    let mut lines: Vec<Value> = serde_json::from_str(&output).unwrap();
    lines.retain(|line| line["destination"] == "iaphub");
    lines
}

fn waits_for_a_slot(line: &Value) -> bool {
    line["why"].as_str().is_some_and(|why| why.contains("waits for others"))
}

/// How slow an IAPHUB is that keeps no grant waiting.
const SLOW: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::test]
async fn a_slow_iaphub_keeps_no_grant_waiting() {
    let world = writing(&[("IAPHUB__TIMEOUT", "2m")]).await;
    world.simulator.iaphub.faults.latency(SLOW);
    let users: Vec<String> = (0..100).map(|number| format!("u-{number}")).collect();
    let began = std::time::Instant::now();
    let bought: Vec<Bought> = users.iter().map(|user| world.buys(user, "price_premium")).collect();
    for bought in &bought {
        // one event is enough to make an account due
        let created = bought.events.iter().filter(|event| event.kind == "customer.subscription.created");
        world.deliver(&created.cloned().collect::<Vec<_>>()).await;
    }
    for (user, bought) in users.iter().zip(&bought) {
        world.until_held(user, "premium", world.period_end(&bought.subscription) + SLACK).await;
    }
    // there are 64 workers: if each waited for its answer, the last users would be granted after it
    assert!(began.elapsed() < SLOW, "{:?}", began.elapsed());
    // what found no free slot is in the ledger, and is written in the minutes to come
    let intended = async {
        loop {
            let lines = of_iaphub(&world).await;
            if lines.iter().filter(|line| waits_for_a_slot(line)).count() >= users.len() - 8 {
                return lines;
            }
        }
    };
    let lines = tokio::time::timeout(SLOW, intended).await.expect("all but eight wait for a slot");
    let waiting = lines.iter().filter(|line| waits_for_a_slot(line)).count();
    assert_eq!((lines.len(), waiting), (users.len(), users.len() - 8), "{:#?}", lines[0]);
    world.simulator.iaphub.faults.clear();
    // it is not idle before they were written
    assert_eq!(world.parked().await, []);
}
