//! What operators override: promotional grants and blocks.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::stripe::moves::{NewCustomer, NewSubscription, metadata};

use crate::attributes::kept;
use crate::harness::final_checks::finish;
use crate::harness::world::{SLACK, World};

pub(crate) const TOKEN: &str = "a-long-admin-token";

/// A world whose admin API may be asked.
pub(crate) async fn world() -> World {
    World::with(&[("SERVER__ADMIN_TOKEN", TOKEN), ("POLICY__PROFILE_LAG", "0s")]).await
}

pub(crate) async fn ask(world: &World, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let url = format!("{}{path}", world.daemon.back);
    let request = reqwest::Client::new().request(method.parse().unwrap(), url).bearer_auth(TOKEN);
    let request = body.into_iter().fold(request, |request, body| request.json(&body));
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn moment(text: &Value) -> DateTime<Utc> {
    text.as_str().unwrap().parse().unwrap()
}

pub(crate) async fn command(world: &World, words: &[&str]) -> String {
    let output = world.daemon.command(words).await;
    assert!(output.status.success(), "{words:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

/// What a command lists as JSON.
async fn all(world: &World, words: &[&str]) -> Vec<Value> {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&command(world, &words).await).unwrap()
}

#[tokio::test]
async fn seven_days_for_a_user_who_never_bought_have_an_end_and_no_revenue() {
    let world = world().await;
    let words = ["grant", "u-1", "premium", "--days", "7", "--why", "campaign", "--by", "anna", "--json"];
    let given: Value = serde_json::from_str(&command(&world, &words).await).unwrap();
    assert_eq!(given["id"], "promo_1");
    let end = moment(&given["until"]);
    assert!((end - simulator::clock::now() - TimeDelta::days(7)).num_seconds().abs() < 60, "{given}");
    let level = world.until_held("u-1", "premium", end).await;
    assert_eq!((level.store.as_str(), level.transaction.as_deref()), ("adapty", None));
    assert_eq!(world.simulator.adapty.transactions("u-1").len(), 0, "no revenue is reported");
    world.daemon.until_idle().await;
    let status: Value = serde_json::from_str(&command(&world, &["status", "u-1", "--json"]).await).unwrap();
    assert_eq!((&status["paywall"], &status["levels"][0]["store"]), (&json!(false), &json!("adapty")));
    let ledger = world.daemon.listed(&["ledger"]).await;
    let because = ledger[0]["because"].as_str().unwrap();
    assert!(because.starts_with("given without a payment as promotion `promo_1`, lasting until "), "{ledger:?}");
    let given: Value = serde_json::from_str(&command(&world, &["promotions", "u-1", "--json"]).await).unwrap();
    assert_eq!((&given[0]["by"], &given[0]["why"]), (&json!("anna"), &json!("campaign")));
    let explained = command(&world, &["explain", "--user", "u-1"]).await;
    assert!(explained.contains("promotion `promo_1`"), "{explained}");
    assert_eq!(world.written("/grant/"), 1);
    finish(world).await;
}

#[tokio::test]
async fn a_promotion_and_what_is_paid_for_never_shorten_each_other() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let paid_end = world.period_end(&bought.subscription) + SLACK;
    command(&world, &["grant", "u-1", "premium", "--days", "2", "--wait"]).await;
    world.until_held("u-1", "premium", paid_end).await;
    let output = command(&world, &["grant", "u-1", "premium", "--days", "90", "--wait"]).await;
    assert!(output.starts_with("promotional grant `promo_2`: `premium` is granted until "), "{output}");
    let long = world.simulator.adapty.level("u-1", "premium").unwrap().expires_at.unwrap();
    assert!((long - simulator::clock::now() - TimeDelta::days(90)).num_seconds().abs() < 60);
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()], "what was paid stays reported");
    world.deliver_and_settle(&world.simulator.stripe.cancel_now(&bought.subscription)).await;
    world.until_held("u-1", "premium", long).await;
    assert!(world.holds("u-1", "premium"), "the promotion runs on");
    assert_eq!(world.written("/revoke/"), 0);
    command(&world, &["revoke", "u-1", "premium", "--wait"]).await;
    world.until_gone("u-1", "premium").await;
    finish(world).await;
}

#[tokio::test]
async fn a_purchase_during_a_promotion_is_reported_with_its_money() {
    let world = world().await;
    command(&world, &["grant", "u-1", "premium", "--days", "7", "--wait"]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    assert_eq!(world.transaction_ids("u-1"), [bought.subscription.as_str()]);
    command(&world, &["revoke", "u-1", "premium", "--wait"]).await;
    assert!(world.holds("u-1", "premium"), "what is paid for stays");
    assert_eq!(world.written("/revoke/"), 0);
    finish(world).await;
}

#[tokio::test]
async fn the_same_request_twice_is_one_grant_over_http_too() {
    let world = world().await;
    let wanted = json!({ "level": "premium", "days": 7, "reason": "ticket 9", "request_id": "t-9" });
    let (status, given) = ask(&world, "POST", "/v1/users/u-1/grants", Some(wanted.clone())).await;
    assert_eq!((status, &given["id"], &given["repeated"]), (StatusCode::CREATED, &json!("promo_1"), &json!(false)));
    let (status, again) = ask(&world, "POST", "/v1/users/u-1/grants", Some(wanted)).await;
    assert_eq!((status, &again["id"], &again["repeated"]), (StatusCode::OK, &json!("promo_1"), &json!(true)));
    let other = json!({ "level": "gold", "days": 7, "request_id": "t-9" });
    assert_eq!(ask(&world, "POST", "/v1/users/u-1/grants", Some(other)).await.0, StatusCode::CONFLICT);
    for odd in
        [json!({ "level": "premium" }), json!({ "level": "premium", "days": 0 }), json!({ "level": " ", "days": 1 })]
    {
        assert_eq!(ask(&world, "POST", "/v1/users/u-1/grants", Some(odd)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    world.until_held("u-1", "premium", moment(&given["until"])).await;
    let (_, all) = ask(&world, "GET", "/v1/users/u-1/grants", None).await;
    assert_eq!((all.as_array().unwrap().len(), &all[0]["why"]), (1, &json!("ticket 9")));
    let (_, ended) = ask(&world, "DELETE", "/v1/users/u-1/grants/premium?reason=mistake", None).await;
    assert_eq!(ended["changed"], 1);
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    finish(world).await;
}

#[tokio::test]
async fn a_block_takes_a_paid_level_and_unblocking_gives_it_back() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    command(&world, &["revoke", "u-1", "premium", "--block", "--why", "fraud", "--wait"]).await;
    world.until_gone("u-1", "premium").await;
    world.deliver_and_settle(&world.simulator.stripe.renew(&bought.subscription)).await;
    assert!(!world.holds("u-1", "premium"), "a renewal does not lift a block");
    let status: Value = serde_json::from_str(&command(&world, &["status", "u-1", "--json"]).await).unwrap();
    assert_eq!((&status["paywall"], &status["levels"][0]["active"]), (&json!(true), &json!(false)));
    let unblocked = ask(&world, "DELETE", "/v1/users/u-1/blocks/premium", None).await;
    assert_eq!((unblocked.0, &unblocked.1["changed"]), (StatusCode::OK, &json!(1)));
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    world.daemon.until_idle().await;
    let twice = world.daemon.command(&["unblock", "u-1", "premium"]).await;
    assert_eq!((twice.status.code(), twice.stderr.trim()), (Some(1), "`premium` is not blocked"));
    let (status, blocked) = ask(&world, "POST", "/v1/users/u-1/blocks", Some(json!({ "level": "premium" }))).await;
    assert_eq!((status, &blocked["changed"]), (StatusCode::OK, &json!(1)));
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    finish(world).await;
}

#[tokio::test]
async fn who_asked_for_what_and_why_is_kept_and_shown_with_the_steps() {
    let world = world().await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    let block = ["revoke", "u-1", "premium", "--block", "--why", "fraud", "--by", "anna", "--wait"];
    command(&world, &block).await;
    world.until_gone("u-1", "premium").await;
    let listed = all(&world, &["blocks"]).await;
    assert_eq!((listed.len(), &listed[0]["user"], &listed[0]["why"]), (1, &json!("u-1"), &json!("fraud")));
    let (status, blocks) = ask(&world, "GET", "/v1/users/u-1/blocks", None).await;
    assert_eq!((status, &blocks[0]["level"], &blocks[0]["by"]), (StatusCode::OK, &json!("premium"), &json!("anna")));
    let revoked = world.daemon.listed(&["ledger"]).await.remove(0);
    let key = revoked["key"].as_str().unwrap();
    let entry: Value = serde_json::from_str(&command(&world, &["ledger", "show", key, "--json"]).await).unwrap();
    assert_eq!((&entry["audit"]["by"], &entry["audit"]["why"]), (&json!("anna"), &json!("fraud")));
    assert!(command(&world, &["ledger", "show", key]).await.contains("block `premium` in `adapty` by anna: fraud"));
    let (_, step) = ask(&world, "GET", &format!("/v1/ledger/{key}"), None).await;
    assert_eq!(step["audit"]["kind"], "block");
    let email = "profile:email=ann@example.com";
    command(&world, &["attributes", "u-1", email, "--by", "crm", "--why", "moved", "--wait"]).await;
    command(&world, &["unblock", "u-1", "premium", "--by", "bob", "--why", "a mistake", "--wait"]).await;
    world.until_held("u-1", "premium", world.period_end(&bought.subscription) + SLACK).await;
    let explained = command(&world, &["explain", "--user", "u-1", "--all"]).await;
    for said in ["block `premium` in `adapty` by anna: fraud", "unblock `premium` in `adapty` by bob: a mistake"] {
        assert!(explained.contains(said), "{explained}");
    }
    assert!(!explained.contains("ann@"));
    let (_, page) = ask(&world, "GET", "/v1/audit?user=u-1&limit=2", None).await;
    let kinds =
        |page: &Value| page["items"].as_array().unwrap().iter().map(|of| of["kind"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&page), ["unblock", "set_attributes"]);
    let next = page["next"].as_str().unwrap();
    let (_, page) = ask(&world, "GET", &format!("/v1/audit?user=u-1&limit=2&after={next}"), None).await;
    assert_eq!(kinds(&page), ["block"]);
    assert_eq!(all(&world, &["audit", "u-1"]).await.len(), 3);
    assert_eq!(all(&world, &["blocks", "u-1"]).await.len(), 0);
    assert!(command(&world, &["audit"]).await.contains("fraud"));
    finish(world).await;
}

#[tokio::test]
async fn who_loses_an_account_keeps_neither_its_status_nor_its_attributes() {
    let settings =
        [("ADAPTY__PROFILE__EMAIL", "customer.email"), ("ADAPTY__ATTRIBUTES__TEAM", "customer.metadata.team")];
    for has_overrides in [false, true] {
        let world = World::with(&settings).await;
        if has_overrides {
            // an account of the user that is not taken, to which nothing is billed
            command(&world, &["grant", "u-1", "gold", "--days", "7", "--wait"]).await;
        }
        let customer = world.simulator.stripe.add_customer(NewCustomer {
            email: Some("ann@example.com".into()),
            metadata: metadata(&[("team", "red")]),
        });
        let bought = world.subscribe(NewSubscription {
            customer: Some(customer.id),
            prices: vec![("price_premium".into(), 1)],
            metadata: metadata(&[("customer_user_id", "u-1")]),
            ..NewSubscription::default()
        });
        world.deliver_and_settle(&bought.events).await;
        assert_eq!(kept(&world, "u-1")["email"], "ann@example.com");
        command(&world, &["link", &format!("stripe:{}", bought.customer), "u-2"]).await;
        world.until_gone("u-1", "premium").await;
        world.daemon.until_idle().await;
        assert_eq!(kept(&world, "u-1"), json!({ "email": null, "custom_attributes": {} }), "{has_overrides}");
        assert_eq!(kept(&world, "u-2")["custom_attributes"], json!({ "team": "red" }));
        let status: Value = serde_json::from_str(&command(&world, &["status", "u-1", "--json"]).await).unwrap();
        let is_active = |of: &Value| of["active"] == true && of["level"] == "premium";
        assert!(!status["levels"].as_array().unwrap().iter().any(is_active), "{status}");
        assert_eq!(status["paywall"], json!(!has_overrides));
        finish(world).await;
    }
}

#[tokio::test]
async fn a_wrong_override_says_what_to_write_and_changes_nothing() {
    let world = world().await;
    for (words, said) in [
        (&["grant", "u-1", "premium", "--days", "0"][..], "a promotional grant lasts 1 to 36500 days"),
        (&["grant", "u-1", "premium", "--until", "2020-01-01T00:00:00Z"], "a promotional grant ends in the future"),
        (&["grant", "u-1", "premium"], "--days"),
        (&["grant", "u-1", "premium", "--days", "3", "--lifetime"], "cannot be used with"),
        (&["grant", "u-1", "premium", "--days", "3", "--app", "tv"], "there is no app `tv`: write `adapty`"),
        (&["attributes", "u-1", "two words=1"], "`two words` is no attribute"),
        (&["attributes", "u-1", "plan"], "`plan` has no value: write `plan=…`"),
        (&["attributes", "u-1", "plan=a text that is far too long for it"], "at most 30 are taken"),
        (&["attributes", "u-1", "profile:birthday=tomorrow"], "`profile:birthday` is not a day such as 1990-12-31"),
        (&["attributes", "u-1", "profile:gender=woman"], "`profile:gender` is not f, m or o"),
        (&["attributes", "u-1", "profile:ip_country=Germany"], "`profile:ip_country` is not two letters such as DE"),
    ] {
        let output = world.daemon.command(words).await;
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{words:?}: {}", output.stderr);
    }
    let many: Vec<String> = (0..11).map(|number| format!("a{number}=1")).collect();
    let mut words = vec!["attributes", "u-1"];
    words.extend(many.iter().map(String::as_str));
    let output = world.daemon.command(&words).await;
    assert!(output.stderr.contains("a user has at most 10"), "{}", output.stderr);
    let none = world.daemon.command(&["revoke", "u-1", "premium"]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(none.stderr.contains("no promotional grant of `premium` runs"), "{}", none.stderr);
    world.daemon.until_idle().await;
    assert_eq!(world.simulator.adapty.profile_count(), 0);
    finish(world).await;
}

#[tokio::test]
async fn an_override_while_observing_sends_nothing_to_adapty() {
    let world = World::with(&[("POLICY__MODE", "observe")]).await;
    command(&world, &["grant", "u-1", "premium", "--days", "7"]).await;
    command(&world, &["attributes", "u-1", "plan=team"]).await;
    world.daemon.until_idle().await;
    assert_eq!((world.simulator.adapty.profile_count(), world.written("/")), (0, 0));
    finish(world).await;
}

#[tokio::test]
async fn a_refund_with_a_week_for_free_takes_the_money_back_and_leaves_the_level() {
    for api in ["v1", "v2"] {
        let world = World::with(&[("ADAPTY__API", api), ("POLICY__PROFILE_LAG", "0s")]).await;
        let bought = world.granted("u-1", "price_premium", "premium").await;
        command(&world, &["grant", "u-1", "premium", "--days", "7", "--why", "sorry"]).await;
        let charge = world.simulator.stripe.charge_of(&bought.invoice).unwrap();
        let refund = world.simulator.stripe.refund(&charge, None, "succeeded");
        world.deliver_and_settle(&refund.events).await;
        let level = world.simulator.adapty.level("u-1", "premium").unwrap();
        assert!(world.holds("u-1", "premium") && level.store == "adapty", "{level:?}");
        assert!((level.expires_at.unwrap() - simulator::clock::now()).num_days() < 8);
        assert!(world.simulator.adapty.transactions("u-1")[0].refunded, "{api}");
        finish(world).await;
    }
}

#[tokio::test]
async fn an_override_takes_effect_though_stripe_does_not_know_the_users_account() {
    let world = world().await;
    assert!(world.daemon.command(&["link", "stripe:cus_gone", "u-1"]).await.status.success());
    world.daemon.until_idle().await;
    command(&world, &["grant", "u-1", "premium", "--days", "7"]).await;
    world.daemon.until_idle().await;
    assert!(world.holds("u-1", "premium"));
    command(&world, &["revoke", "u-1", "premium"]).await;
    world.daemon.until_idle().await;
    assert!(world.holds("u-1", "premium"), "it is unknown whether the account pays for it");
    command(&world, &["revoke", "u-1", "premium", "--block"]).await;
    world.until_gone("u-1", "premium").await;
    world.daemon.until_idle().await;
    finish(world).await;
}
