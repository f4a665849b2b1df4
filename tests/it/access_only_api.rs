//! Adapty's second API for access alone (`v2-access`): levels are granted and revoked, and no sale is reported.

use simulator::fault::{Fault, Match, What};
use simulator::stripe::moves::{NewSubscription, metadata};

use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

const GRANT: &str = "/purchase/profile/grant/access-level/";
const REVOKE: &str = "/purchase/profile/revoke/access-level/";

async fn world() -> World {
    World::with(&[("ADAPTY__API", "v2-access"), ("POLICY__PROFILE_LAG", "0s")]).await
}

#[tokio::test]
async fn a_life_is_granted_by_levels_alone_and_no_revenue_is_reported() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let bodies = world.bodies(GRANT);
    let end = world.period_end(&bought.subscription) + SLACK;
    assert_eq!(bodies[0]["expires_at"], end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_gone("u-1", "premium").await;
    assert_eq!((world.written(GRANT), world.written(REVOKE)), (2, 1));
    assert_eq!(world.transaction_ids("u-1"), [""; 0]);
    let output = world.daemon.command(&["resync", "--user", "u-1", "--wait"]).await;
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!((world.written(GRANT), world.written(REVOKE)), (2, 1), "nothing is sent again");
    assert_eq!(world.simulator.journal.count(|request| request.path.contains("/api/v1/sdk/")), 0);
    finish(world).await;
}

#[tokio::test]
async fn an_end_that_comes_nearer_is_granted_and_status_names_the_web() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.cancel_at_period_end(&bought.subscription, true)).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription)).await;
    let status = world.daemon.command(&["status", "u-1", "--json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let level = &status["levels"][0];
    assert_eq!((level["store"].as_str(), level["will_renew"].as_bool()), (Some("stripe"), Some(false)), "{status:#}");
    assert_eq!(status["double_subscription"], false, "{status:#}");
    finish(world).await;
}

#[tokio::test]
async fn answers_that_are_lost_grant_once_and_a_refusal_is_parked() {
    for what in [What::ResetAfter, What::Truncate, What::Html502, What::RetryAfter(1)] {
        let world = world().await;
        world.simulator.adapty.faults.inject(Fault::once(Match::on("POST", GRANT), what));
        let bought = world.buys("u-1", "price_premium");
        world.deliver(&bought.events).await;
        world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
        assert_eq!(world.parked().await, []);
        finish(world).await;
    }
    let world = world().await;
    world.simulator.adapty.set_levels(&["gold"]);
    let refused = world.buys("u-1", "price_premium");
    world.deliver_and_settle(&refused.events).await;
    let account = format!("stripe:{}", refused.customer);
    assert_eq!(world.parked().await, [("refused_step".to_owned(), account)]);
    finish(world).await;
}

#[tokio::test]
async fn a_revoke_of_whom_adapty_no_longer_knows_is_done() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let body = r#"{"errors":[{"source":null,"errors":["Profile not found"]}],"error_code":"profile_does_not_exist","status_code":404}"#;
    let unknown = What::Status(404, Vec::new(), body.to_owned());
    world.simulator.adapty.faults.inject(Fault::once(Match::on("POST", REVOKE), unknown));
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    assert_eq!(world.parked().await, []);
    assert_eq!(world.written(REVOKE), 1);
    finish(world).await;
}

#[tokio::test]
async fn a_user_whom_no_header_can_name_is_parked_and_others_are_served() {
    let world = world().await;
    let strange = world.subscribe(NewSubscription {
        prices: vec![("price_premium".to_owned(), 1)],
        metadata: metadata(&[("customer_user_id", "zo\u{eb} two")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&strange.events).await;
    let parked = world.parked().await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    world.granted("u-2", "price_gold", "gold").await;
    finish(world).await;
}
