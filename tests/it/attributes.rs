//! Attributes and profile fields: what an operator set, and what Stripe knows.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::stripe::moves::{NewCustomer, NewSubscription, metadata};

use crate::harness::final_checks::finish;
use crate::harness::world::World;
use crate::overrides::{TOKEN, ask, command, world};

/// What Adapty keeps of `user`, by name.
pub(crate) fn kept(world: &World, user: &str) -> Value {
    world.simulator.adapty.profile(user).map(|profile| profile.facts.attributes.into()).unwrap_or_default()
}

#[tokio::test]
async fn attributes_are_set_deleted_and_listed_through_either_api() {
    for api in ["v1", "v2"] {
        let world = World::with(&[("ADAPTY__API", api), ("SERVER__ADMIN_TOKEN", TOKEN)]).await;
        let email = "profile:email=ann@example.com";
        command(&world, &["attributes", "u-1", "plan=team", "seats=5", email, "--wait"]).await;
        let first = kept(&world, "u-1");
        assert_eq!(first, json!({ "email": "ann@example.com", "custom_attributes": { "plan": "team", "seats": 5 } }));
        let change =
            json!({ "attributes": { "plan": null, "seats": 6, "profile:email": "bob@example.com" }, "by": "crm" });
        let (status, all) = ask(&world, "PATCH", "/v1/users/u-1/attributes", Some(change)).await;
        assert_eq!((status, all.as_array().unwrap().len()), (StatusCode::OK, 3));
        command(&world, &["resync", "--user", "u-1", "--wait"]).await;
        assert_eq!(kept(&world, "u-1"), json!({ "email": "bob@example.com", "custom_attributes": { "seats": 6 } }));
        let patches = world.simulator.journal.count(|request| request.method == "PATCH");
        command(&world, &["resync", "--user", "u-1", "--wait"]).await;
        assert_eq!(world.simulator.journal.count(|request| request.method == "PATCH"), patches, "once is enough");
        let (_, listed) = ask(&world, "GET", "/v1/users/u-1/attributes", None).await;
        assert_eq!((&listed[0]["name"], &listed[0]["value"]), (&json!("plan"), &Value::Null));
        let log = world.daemon.log();
        assert!(!log.contains("ann@example.com") && !log.contains("bob@example.com"));
        finish(world).await;
    }
}

#[tokio::test]
async fn attributes_that_came_and_went_never_keep_later_ones_from_being_set() {
    let world = world().await;
    for names in [0..6, 6..12, 12..13] {
        let pairs: Vec<String> = names.clone().map(|number| format!("a{number}=1")).collect();
        let mut words = vec!["attributes", "u-1", "--wait"];
        words.extend(pairs.iter().map(String::as_str));
        command(&world, &words).await;
        let gone: Vec<String> = names.map(|number| format!("a{number}=")).collect();
        let mut words = vec!["attributes", "u-1", "--wait"];
        words.extend(gone.iter().map(String::as_str));
        command(&world, &words).await;
    }
    command(&world, &["attributes", "u-1", "plan=team", "ref=1234567890123456789012345678", "--wait"]).await;
    let wanted = json!({ "plan": "team", "ref": "1234567890123456789012345678" });
    assert_eq!(kept(&world, "u-1")["custom_attributes"], wanted);
    assert_eq!(world.daemon.listed(&["parked"]).await.len(), 0);
    let ten: Vec<String> = (0..8).map(|number| format!("b{number}=1")).collect();
    let mut words = vec!["attributes", "u-1", "plan=", "ref="];
    words.extend(ten.iter().map(String::as_str));
    command(&world, &words).await;
    command(&world, &["attributes", "u-1", "c8=1", "c9=1", "--wait"]).await;
    assert_eq!(kept(&world, "u-1")["custom_attributes"].as_object().unwrap().len(), 10);
    finish(world).await;
}

#[tokio::test]
async fn what_stripe_knows_is_kept_in_sync_and_an_operators_word_wins() {
    let settings = [
        ("ADAPTY__ATTRIBUTES__PLAN", "subscription.metadata.plan"),
        ("ADAPTY__ATTRIBUTES__TEAM", "customer.metadata.team"),
        ("ADAPTY__PROFILE__EMAIL", "customer.email"),
    ];
    let world = World::with(&settings).await;
    let customer = world
        .simulator
        .stripe
        .add_customer(NewCustomer { email: Some("ann@example.com".into()), metadata: metadata(&[("team", "red")]) });
    let bought = world.subscribe(NewSubscription {
        customer: Some(customer.id.clone()),
        prices: vec![("price_premium".into(), 1)],
        metadata: metadata(&[("customer_user_id", "u-1"), ("plan", "small")]),
        ..NewSubscription::default()
    });
    world.deliver_and_settle(&bought.events).await;
    let wanted = |plan: Value| json!({ "email": "ann@example.com", "custom_attributes": plan });
    assert_eq!(kept(&world, "u-1"), wanted(json!({ "plan": "small", "team": "red" })));
    world.simulator.stripe.edit(&bought.subscription, |object| object["metadata"]["plan"] = "large".into());
    world.simulator.stripe.edit(&bought.customer, |object| object["metadata"] = json!({}));
    let event = world.simulator.stripe.event("customer.subscription.updated", &bought.subscription);
    world.deliver_and_settle(&[event]).await;
    assert_eq!(kept(&world, "u-1"), wanted(json!({ "plan": "large" })));
    command(&world, &["attributes", "u-1", "plan=staff", "--wait"]).await;
    assert_eq!(kept(&world, "u-1"), wanted(json!({ "plan": "staff" })));
    let steps = world.daemon.listed(&["ledger"]).await;
    let kinds: Vec<_> = steps.iter().filter(|line| line["subject"] == "(details)").collect();
    assert_eq!(kinds.len(), 3, "each is in the ledger");
    finish(world).await;
}

#[tokio::test]
async fn an_attribute_that_adapty_refuses_is_parked_and_takes_no_level() {
    let world = world().await;
    world.simulator.adapty.faults.inject(simulator::fault::Fault::always(
        simulator::fault::Match::on("PATCH", "/"),
        simulator::fault::What::Status(400, Vec::new(), r#"{"errors":[]}"#.into()),
    ));
    command(&world, &["attributes", "u-1", "plan=team"]).await;
    let bought = world.granted("u-1", "price_premium", "premium").await;
    assert!(world.holds("u-1", "premium"), "{}", bought.subscription);
    let parked = world.daemon.listed(&["parked"]).await;
    assert!(parked.iter().all(|row| row["kind"] == "refused_step") && !parked.is_empty(), "{parked:?}");
    assert!(parked[0]["hint"].as_str().unwrap().contains("grantsync attributes"), "{parked:?}");
    world.simulator.adapty.faults.clear();
    command(&world, &["parked", "release", "--all"]).await;
    world.daemon.until_idle().await;
    assert_eq!(kept(&world, "u-1")["custom_attributes"], json!({ "plan": "team" }));
    finish(world).await;
}

#[tokio::test]
async fn of_two_accounts_the_first_by_name_fills_the_attributes_whichever_is_synced() {
    let world = World::with(&[("ADAPTY__ATTRIBUTES__TEAM", "customer.metadata.team")]).await;
    let mut all = Vec::new();
    for team in ["red", "blue"] {
        let customer = NewCustomer { email: None, metadata: metadata(&[("team", team)]) };
        let customer = world.simulator.stripe.add_customer(customer).id;
        all.push(world.subscribe(NewSubscription {
            customer: Some(customer),
            prices: vec![("price_premium".into(), 1)],
            metadata: metadata(&[("customer_user_id", "u-1")]),
            ..NewSubscription::default()
        }));
    }
    for bought in &all {
        world.deliver_and_settle(&bought.events).await;
    }
    let kept_before = kept(&world, "u-1");
    let patches = || world.simulator.journal.count(|request| request.method == "PATCH");
    let before = patches();
    for bought in all.iter().rev().chain(&all) {
        command(&world, &["resync", &format!("stripe:{}", bought.customer), "--wait"]).await;
    }
    assert_eq!((kept(&world, "u-1"), patches()), (kept_before, before), "nothing goes to and fro");
    finish(world).await;
}
