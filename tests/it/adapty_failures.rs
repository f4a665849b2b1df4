//! Adapty failing: late, broken, refusing, showing old profiles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::Value;
use simulator::fault::{Fault, Match, What};
use simulator::journal::Request;

use crate::harness::daemon::PATIENCE;
use crate::harness::final_checks::{finish, settled};
use crate::harness::world::{Bought, SLACK, World};

/// The grant, for any user.
fn grant() -> Match {
    Match::on("POST", "/grant/")
}

fn is_grant(request: &Request) -> bool {
    request.method == "POST" && request.path.ends_with("/grant/")
}

/// A bad answer of Adapty.
fn answered(status: u16, code: &str) -> What {
    let body =
        format!(r#"{{"errors":[{{"source":null,"errors":["No."]}}],"error_code":"{code}","status_code":{status}}}"#);
    What::Status(status, Vec::new(), body)
}

/// The fault came true, and everything heals by itself: one transaction, one level, no human needed.
async fn healed(world: World, bought: &Bought) {
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    settled(&world).await;
    let faults = world.simulator.adapty.faults.played() + u32::from(world.written("/grant/") > 1);
    assert!(faults > 0 || world.daemon.log().contains("refuses the key"), "nothing went wrong");
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    assert_eq!(world.parked().await, []);
    finish(world).await;
}

/// A purchase while Adapty's grant is hit once by `what`.
async fn bought_with_fault(world: &World, what: What) -> Bought {
    world.simulator.adapty.faults.inject(Fault::once(grant(), what));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    bought
}

#[tokio::test]
async fn an_error_of_adapty_is_tried_again_into_one_transaction() {
    let no_hint = answered(429, "rate_limited");
    for what in [answered(500, "internal"), What::Html502, What::RetryAfter(1), answered(408, "slow"), no_hint] {
        let world = World::start().await;
        let bought = bought_with_fault(&world, what).await;
        healed(world, &bought).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_or_after_the_grant_makes_one_transaction() {
    for what in [What::ResetBefore, What::ResetAfter, What::DropBodyAfter, What::Truncate, What::WrongContentType] {
        let world = World::start().await;
        let bought = bought_with_fault(&world, what).await;
        healed(world, &bought).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_step_is_tried_again() {
    let world = World::start().await;
    let elsewhere = What::Redirect(format!("{}/elsewhere", world.simulator.stripe.url()));
    let bought = bought_with_fault(&world, elsewhere).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.simulator.journal.count(|request| request.path == "/elsewhere"), 0);
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_wait_that_adapty_asks_for_is_kept() {
    let world = World::start().await;
    let bought = bought_with_fault(&world, What::RetryAfter(4)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let grants: Vec<Request> = world.simulator.journal.requests().into_iter().filter(is_grant).collect();
    let waited = grants[1].at - grants[0].at;
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
    let between = |request: &Request| request.at > grants[0].at && request.at < grants[0].at + Duration::from_secs(4);
    let asked = world.simulator.journal.requests().into_iter().filter(|request| request.path.contains("/profiles/"));
    assert_eq!(asked.filter(between).count(), 0, "no request is sent before `Retry-After` is over");
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_wait_until_a_date_is_kept() {
    let world = World::start().await;
    let until = simulator::clock::now() + TimeDelta::seconds(4);
    let date = until.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let limited = What::Status(429, vec![("retry-after".to_owned(), date)], String::new());
    let bought = bought_with_fault(&world, limited).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let grants: Vec<Request> = world.simulator.journal.requests().into_iter().filter(is_grant).collect();
    // dates have no fractions of a second
    assert!(grants[1].wall >= until - TimeDelta::seconds(1), "{} before {until}", grants[1].wall);
    healed(world, &bought).await;
}

#[tokio::test]
async fn an_adapty_that_hangs_is_given_up_and_tried_again() {
    let world = World::with(&[("ADAPTY__TIMEOUT", "1s")]).await;
    let bought = bought_with_fault(&world, What::HangForever).await;
    healed(world, &bought).await;
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up_and_no_second_transaction() {
    let world = World::with(&[("ADAPTY__TIMEOUT", "1s")]).await;
    let bought = bought_with_fault(&world, What::Drip(Duration::from_millis(100))).await;
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_host_that_cannot_be_resolved_is_logged_and_all_is_granted_once_it_can() {
    let mut world = World::with(&[("ADAPTY__API_BASE", "http://adapty.invalid")]).await;
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    let output = async {
        while !world.daemon.log().contains("the host's name cannot be resolved") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, output).await.expect("it is logged");
    assert_eq!(world.daemon.ready().await.unwrap().0, 200);
    assert_eq!(world.parked().await, []);
    let right = world.simulator.adapty.url();
    world.daemon.restart(&[("ADAPTY__API_BASE", &right)]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    finish(world).await;
}

/// Purchases that wait for an Adapty that says nothing, and how long Stripe may wait for its answer meanwhile: far less
/// than the daemon waits for Adapty.
const WAITING: usize = 100;
const SILENT: &str = "20s";
const ANSWERED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_adapty_that_hangs_delays_no_answer_to_stripe() {
    let world = World::with(&[("ADAPTY__TIMEOUT", SILENT)]).await;
    world.simulator.adapty.faults.inject(Fault::always(Match::any(), What::HangForever));
    let bought: Vec<Bought> = (0..WAITING).map(|number| world.buys(&format!("u-{number}"), "price_premium")).collect();
    let mut longest = Duration::ZERO;
    for event in bought.iter().flat_map(|bought| &bought.events) {
        let began = Instant::now();
        assert_eq!(world.webhooks.deliver(event).await.unwrap().as_u16(), 200);
        longest = longest.max(began.elapsed());
    }
    println!("{WAITING} accounts wait for adapty; stripe waited {longest:.1?} at most");
    assert!(longest < ANSWERED, "stripe waited {longest:?}");
    world.simulator.adapty.faults.clear();
    for (number, bought) in bought.iter().enumerate() {
        let user = format!("u-{number}");
        world.until_held(&user, "premium", world.period_end(&bought.subscription) + SLACK).await;
        assert_eq!(world.transaction_ids(&user), [bought.subscription.as_str()]);
    }
    finish(world).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_no_second_transaction() {
    let world = World::with(&[("ADAPTY__TIMEOUT", "1s")]).await;
    let bought = bought_with_fault(&world, What::AnswerLate(Duration::from_secs(3))).await;
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_or_made_is_tried_again() {
    for when in [Match::on("GET", "/profiles/"), Match::on("POST", "/sdk/profiles/?")] {
        let world = World::start().await;
        world.simulator.adapty.faults.inject(Fault { when, what: answered(500, "internal"), times: 1 });
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        healed(world, &bought).await;
    }
}

#[tokio::test]
async fn a_profile_that_is_gone_before_the_grant_is_made_again_whatever_the_404_says() {
    let bodies = [
        r#"{"errors":[{"status":"404","code":"profile_does_not_exist","title":"Not found"}]}"#,
        r#"{"errors":[{"status":"404","code":"not_found"}]}"#,
        r#"{"errors":["Profile not found"],"status_code":404}"#,
        "<html>404 Not Found</html>",
        "",
    ];
    for body in bodies {
        let world = World::start().await;
        let adapty = world.simulator.adapty.clone();
        let (hit, body) = (AtomicBool::new(false), body.to_owned());
        world.simulator.journal.on_request(Box::new(move |request| {
            let is_first = is_grant(request) && !hit.swap(true, Ordering::Relaxed);
            is_first.then(|| {
                adapty.delete_profile("u-1");
                What::Status(404, Vec::new(), body.clone())
            })
        }));
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        healed(world, &bought).await;
    }
}

#[tokio::test]
async fn a_refused_step_is_parked_others_are_served_and_a_release_grants() {
    let world = World::start().await;
    world.simulator.adapty.set_levels(&["gold"]);
    let refused = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&refused.events).await;
    let account = format!("stripe:{}", refused.customer);
    assert_eq!(world.parked().await, [("refused_step".to_owned(), account)]);
    let tried = world.written("/grant/");
    assert_eq!(tried, 1, "a refusal is not tried again");

    world.granted("u-2", "price_gold", "gold").await;
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!(world.written("/grant/"), tried + 1, "a sync alone does not send a refused step");

    world.simulator.adapty.set_levels(&["gold", "premium"]);
    let parked = world.daemon.listed(&["parked"]).await;
    let id = parked[0]["id"].as_i64().unwrap().to_string();
    assert!(world.daemon.command(&["parked", "release", &id]).await.status.success());
    healed(world, &refused).await;
}

#[tokio::test]
async fn a_refused_key_keeps_the_work_and_the_program_ready() {
    let world = World::start().await;
    let key = "secret_live_sandbox.key";
    world.simulator.adapty.remove_key(key);
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    let refused = |requests: &[Request]| requests.iter().any(|request| request.status == Some(401));
    world.simulator.journal.wait_for(PATIENCE, refused).await.unwrap();
    world.daemon.until_idle().await;
    let (status, health) = world.daemon.ready().await.unwrap();
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(status, 200);
    assert!(health["upstreams"]["adapty"].as_str().unwrap().starts_with("paused"), "{health}");
    assert_eq!(health["upstreams"]["stripe"], "ok");
    assert_eq!(world.parked().await, []);

    world.simulator.adapty.add_key(key);
    let mut world = world;
    world.daemon.restart(&[]).await;
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_key_refused_in_the_middle_is_tried_again_at_restart() {
    let mut world = World::start().await;
    let bought = bought_with_fault(&world, answered(401, "not_authenticated")).await;
    let refused = |requests: &[Request]| requests.iter().any(|request| request.status == Some(401));
    world.simulator.journal.wait_for(PATIENCE, refused).await.unwrap();
    world.daemon.until_idle().await;
    assert_eq!(world.parked().await, []);
    world.daemon.restart(&[]).await;
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_profile_that_lags_behind_brings_no_second_grant() {
    let world = World::start().await;
    let stale = What::StaleReads(Duration::from_secs(20));
    world.simulator.adapty.faults.inject(Fault::always(Match::on("GET", "/profiles/"), stale));
    let bought = world.buys("u-1", "price_premium");
    world.deliver(&bought.events).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    for _ in 0..3 {
        let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
        assert!(output.status.success(), "{}", output.stderr);
    }
    assert_eq!(world.written("/grant/"), 1);
    healed(world, &bought).await;
}

#[tokio::test]
async fn a_revoke_that_lags_behind_is_not_sent_again() {
    let world = World::start().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let stale = What::StaleReads(Duration::from_secs(20));
    world.simulator.adapty.faults.inject(Fault::always(Match::on("GET", "/profiles/"), stale));
    world.deliver(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    for _ in 0..3 {
        let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
        assert!(output.status.success(), "{}", output.stderr);
    }
    assert_eq!((world.written("/grant/"), world.written("/revoke/")), (1, 1));
    finish(world).await;
}
