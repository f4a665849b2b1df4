//! The Adapty's second generation: set transaction, with each of its documented refusals.

use serde_json::{Value, json};

use crate::{Bench, read};

async fn answer(bench: &Bench, method: &str, path: &str, user: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("{}/api/v2/server-side-api{path}", bench.simulator.adapty.url());
    let request = bench.client.request(method.parse().unwrap(), url);
    let request =
        request.header("authorization", "Api-Key secret_live_sandbox.key").header("adapty-customer-user-id", user);
    let request = body.into_iter().fold(request, |request, body| request.json(&body));
    read(request.send().await.unwrap()).await
}

async fn set(bench: &Bench, body: Value) -> (u16, Value) {
    answer(bench, "POST", "/purchase/set/transaction/", "u1", Some(body)).await
}

/// A paid first month.
fn month(id: &str) -> Value {
    json!({
        "purchase_type": "subscription",
        "store": "stripe",
        "store_product_id": "prod_1",
        "store_transaction_id": id,
        "store_original_transaction_id": "sub_1",
        "price": { "country": "US", "currency": "USD", "value": 9.99 },
        "purchased_at": "2098-12-01T00:00:00Z",
        "originally_purchased_at": "2098-12-01T00:00:00Z",
        "expires_at": "2099-01-01T00:00:00Z",
        "renew_status": true,
    })
}

fn changed(change: Value) -> Value {
    let mut body = month("sub_1");
    let Value::Object(change) = change else { panic!("a change is an object") };
    body.as_object_mut().unwrap().extend(change);
    body
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.simulator.adapty.create_profile("u1");
    bench
}

#[tokio::test]
async fn a_new_id_on_a_chain_renews_and_the_same_id_changes_it_in_place() {
    let bench = bench().await;
    let (status, profile) = set(&bench, month("sub_1")).await;
    assert_eq!(status, 200, "{profile}");
    assert_eq!(profile["data"]["access_levels"][0]["expires_at"], "2099-01-01T00:00:00+00:00");
    let stopped = changed(json!({"renew_status": false, "renew_status_changed_at": "2098-12-02T00:00:00Z"}));
    let (_, profile) = set(&bench, stopped).await;
    assert_eq!(profile["data"]["subscriptions"][0]["renewal_cancelled_at"], "2098-12-02T00:00:00+00:00");
    let mut next = month("in_2");
    next["purchased_at"] = "2099-01-01T00:00:00Z".into();
    next["expires_at"] = "2099-02-01T00:00:00Z".into();
    let (_, profile) = set(&bench, next).await;
    assert_eq!(profile["data"]["access_levels"][0]["expires_at"], "2099-02-01T00:00:00+00:00");
    let events = bench.simulator.adapty.events();
    let of_purchases: Vec<&str> =
        events.iter().map(String::as_str).filter(|event| *event != "access_level_updated").collect();
    assert_eq!(of_purchases, ["subscription_started", "subscription_renewed"]);
    assert_eq!(bench.simulator.adapty.revenue("u1")["USD"], 19.98);
}

#[tokio::test]
async fn grace_lasts_longer_and_a_refund_ends_it() {
    let bench = bench().await;
    let grace = changed(json!({
        "billing_issue_detected_at": "2098-12-20T00:00:00Z", "grace_period_expires_at": "2099-01-04T00:00:00Z",
    }));
    let (_, profile) = set(&bench, grace).await;
    assert_eq!(profile["data"]["access_levels"][0]["expires_at"], "2099-01-04T00:00:00+00:00");
    let refunded = changed(json!({"refunded_at": "2098-12-21T00:00:00Z", "cancellation_reason": "refund"}));
    let (_, profile) = set(&bench, refunded).await;
    assert_eq!(profile["data"]["access_levels"][0]["expires_at"], "2098-12-21T00:00:00+00:00");
    assert_eq!(bench.simulator.adapty.revenue("u1").get("USD"), None);
}

#[tokio::test]
async fn a_right_of_another_store_shows_while_it_lasts_longest() {
    let bench = bench().await;
    bench.simulator.adapty.put_level("u1", "premium", "app_store", Some("2098-12-25T00:00:00Z".parse().unwrap()));
    let (_, profile) = set(&bench, month("sub_1")).await;
    assert_eq!(profile["data"]["access_levels"][0]["store"], "stripe");
    let refunded = changed(json!({"refunded_at": "2098-12-21T00:00:00Z", "cancellation_reason": "refund"}));
    let (_, profile) = set(&bench, refunded).await;
    let level = &profile["data"]["access_levels"][0];
    assert_eq!((&level["store"], &level["expires_at"]), (&json!("app_store"), &json!("2098-12-25T00:00:00+00:00")));
}

#[tokio::test]
async fn a_product_gives_its_level_or_premium_or_none() {
    let bench = bench().await;
    bench.simulator.adapty.set_product("prod_1", Some("gold"));
    set(&bench, month("sub_1")).await;
    assert!(bench.simulator.adapty.has("u1", "gold") && !bench.simulator.adapty.has("u1", "premium"));
    let mut other = month("sub_2");
    (other["store_product_id"], other["store_original_transaction_id"]) = ("prod_2".into(), "sub_2".into());
    set(&bench, other).await;
    assert!(bench.simulator.adapty.has("u1", "premium"));
    bench.simulator.adapty.set_product("prod_3", None);
    let mut none = month("sub_3");
    (none["store_product_id"], none["store_original_transaction_id"]) = ("prod_3".into(), "sub_3".into());
    let (status, profile) = set(&bench, none).await;
    assert_eq!((status, profile["data"]["access_levels"].as_array().unwrap().len()), (200, 2));
}

#[tokio::test]
async fn what_was_bought_once_is_no_subscription_and_counts_as_revenue() {
    let bench = bench().await;
    let once = json!({
        "purchase_type": "one_time_purchase",
        "store": "stripe",
        "store_product_id": "prod_1",
        "store_transaction_id": "cs_1",
        "store_original_transaction_id": "cs_1",
        "price": { "country": "US", "currency": "USD", "value": 49.5 },
        "purchased_at": "2098-12-01T00:00:00Z",
    });
    let (status, profile) = set(&bench, once).await;
    assert_eq!((status, &profile["data"]["subscriptions"]), (200, &json!([])));
    assert_eq!(profile["data"]["non_subscriptions"][0]["store_transaction_id"], "cs_1");
    assert_eq!(profile["data"]["total_revenue_usd"], 49.5);
}

#[tokio::test]
async fn each_documented_refusal_is_given() {
    let bench = bench().await;
    let trial = json!({"category": "introductory", "type": "free_trial"});
    let once = json!({
        "purchase_type": "one_time_purchase", "store_original_transaction_id": "pi_1", "store_transaction_id": "pi_1",
        "offer": trial, "price": { "country": "US", "currency": "USD", "value": 0 },
    });
    let table = [
        (
            "billing_issue_detected_at_date_comparison_error",
            json!({"billing_issue_detected_at": "2098-12-01T00:00:00Z"}),
        ),
        ("expires_date_error", json!({"expires_at": "2098-12-01T00:00:00Z"})),
        ("family_share_price_error", json!({"is_family_shared": true})),
        ("free_trial_price_error", json!({"offer": trial})),
        ("grace_period_billing_error", json!({"grace_period_expires_at": "2099-01-02T00:00:00Z"})),
        (
            "grace_period_expires_date_error",
            json!({"billing_issue_detected_at": "2098-12-02T00:00:00Z", "grace_period_expires_at": "2098-12-31T00:00:00Z"}),
        ),
        ("missing_offer_id", json!({"offer": {"category": "promotional", "type": "pay_up_front"}})),
        ("one_time_purchase_trial_error", once),
        ("originally_purchased_date_error", json!({"originally_purchased_at": "2098-12-01T00:00:01Z"})),
        ("refund_date_error", json!({"refunded_at": "2098-12-01T00:00:00Z", "cancellation_reason": "refund"})),
        ("refund_fields_error", json!({"refunded_at": "2098-12-02T00:00:00Z"})),
        ("refund_fields_error", json!({"cancellation_reason": "refund"})),
        ("renew_status_changed_date_error", json!({"renew_status_changed_at": "2098-12-01T00:00:00Z"})),
        ("store_transaction_id_error", json!({"purchase_type": "one_time_purchase", "store_transaction_id": "pi_1"})),
        ("validation_error", json!({"store_transaction_id": "x".repeat(51)})),
        ("value_error", json!({"offer": {"category": "promotional", "type": "pay_up_front", "id": null}})),
        ("value_error.missing", json!({"price": null})),
        ("value_error.extra", json!({"store_base_plan_id": "price_1"})),
    ];
    for (code, change) in table {
        let (status, body) = set(&bench, changed(change)).await;
        assert_eq!((status, body["error_code"].as_str()), (400, Some(code)), "{body}");
    }
    let (status, body) = answer(&bench, "POST", "/purchase/set/transaction/", "nobody", Some(month("sub_1"))).await;
    assert_eq!((status, body["error_code"].as_str()), (404, Some("profile_does_not_exist")));
    assert!(bench.simulator.adapty.transactions("u1").is_empty());
}

#[tokio::test]
async fn levels_are_given_and_taken_without_a_transaction() {
    let bench = bench().await;
    let grant = json!({"access_level_id": "premium", "expires_at": "2099-01-01T00:00:00Z"});
    let (status, _) = answer(&bench, "POST", "/purchase/profile/grant/access-level/", "u1", Some(grant)).await;
    assert!(status == 200 && bench.simulator.adapty.has("u1", "premium"));
    let revoke = "/purchase/profile/revoke/access-level/";
    let late = json!({"access_level_id": "premium", "revoke_at": "2099-02-01T00:00:00Z"});
    let past = json!({"access_level_id": "premium", "revoke_at": "2020-02-01T00:00:00Z"});
    for (body, code) in [
        (late, "revocation_date_more_than_expiration_date"),
        (past, "value_error"),
        (json!({"access_level_id": "gold"}), "profile_paid_access_level_does_not_exist"),
        (json!({"access_level_id": "silver"}), "paid_access_level_does_not_exist"),
    ] {
        let (_, refused) = answer(&bench, "POST", revoke, "u1", Some(body)).await;
        assert_eq!(refused["error_code"], code);
    }
    let (status, _) = answer(&bench, "POST", revoke, "u1", Some(json!({"access_level_id": "premium"}))).await;
    assert!(status == 200 && !bench.simulator.adapty.has("u1", "premium"));
}

#[tokio::test]
async fn a_profile_needs_a_device_and_is_made_once() {
    let bench = Bench::new().await;
    let (status, _) = answer(&bench, "GET", "/profile/", "u1", None).await;
    assert_eq!(status, 404);
    let (status, body) = answer(&bench, "POST", "/profile/", "u1", Some(json!({}))).await;
    assert_eq!((status, body["error_code"].as_str()), (400, Some("value_error.missing")));
    let meta = json!({"installation_meta": {"device_id": "77112400-89f1-8465-b9c9-5437e58c6688", "platform": "web"}});
    for _ in 0..2 {
        assert_eq!(answer(&bench, "POST", "/profile/", "u1", Some(meta.clone())).await.0, 200);
    }
    assert_eq!(bench.simulator.adapty.profile_count(), 1);
}

#[tokio::test]
async fn attributes_are_a_list_of_pairs_and_an_empty_text_deletes() {
    let bench = bench().await;
    let device = json!({ "device_id": "77112400-89f1-8465-b9c9-5437e58c6688", "platform": "web" });
    let body = |attributes: Value| json!({ "email": "ann@example.com", "custom_attributes": attributes, "installation_meta": device });
    let plan_and_seats = body(json!([{ "key": "plan", "value": "team" }, { "key": "seats", "value": 5 }]));
    let (status, profile) = answer(&bench, "PATCH", "/profile/", "u1", Some(plan_and_seats)).await;
    assert_eq!((status, profile["data"]["custom_attributes"].as_array().unwrap().len()), (200, 2));
    let (_, profile) =
        answer(&bench, "PATCH", "/profile/", "u1", Some(body(json!([{ "key": "plan", "value": "" }])))).await;
    assert_eq!(profile["data"]["custom_attributes"], json!([{ "key": "seats", "value": 5 }]));
    let odd =
        [json!({ "plan": "team" }), json!([{ "key": "two words", "value": 1 }]), json!([{ "key": "a", "value": [] }])];
    for odd in odd {
        assert_eq!(answer(&bench, "PATCH", "/profile/", "u1", Some(body(odd))).await.0, 400);
    }
    let nowhere = json!({ "email": "ann@example.com" });
    assert_eq!(answer(&bench, "PATCH", "/profile/", "u1", Some(nowhere)).await.0, 400, "on no device");
    assert_eq!(answer(&bench, "PATCH", "/profile/", "u9", Some(body(json!([])))).await.0, 404);
}
