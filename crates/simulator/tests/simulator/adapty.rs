//! The Adapty's grants, revokes and refusals.

use std::time::Duration;

use chrono::{TimeDelta, Timelike};
use serde_json::{Value, json};
use simulator::clock;

use crate::Bench;

const GRANT: &str = "/profiles/u1/paid-access-levels/premium/grant/";
const REVOKE: &str = "/profiles/u1/paid-access-levels/premium/revoke/";

fn purchase(transaction: &str) -> Value {
    json!({
        "expires_at": "2099-01-02T03:04:05.000000+0000",
        "vendor_product_id": "prod_plus",
        "vendor_original_transaction_id": "sub_1",
        "vendor_transaction_id": transaction,
        "store": "stripe",
        "price": 9.99,
        "price_locale": "EUR",
    })
}

#[tokio::test]
async fn a_grant_records_its_transaction_once() {
    let bench = Bench::new().await;
    let adapty = &bench.simulator.adapty;
    adapty.create_profile("u1");
    for _ in 0..2 {
        let (status, body) = bench.adapty_answer("POST", GRANT, Some(purchase("in_1"))).await;
        assert_eq!(status, 200);
        let level = &body["data"]["paid_access_levels"]["premium"];
        assert_eq!(level["expires_at"], "2099-01-02T03:04:05.000000+0000");
        assert_eq!(level["is_active"], true);
    }
    bench.adapty_answer("POST", GRANT, Some(purchase("in_2"))).await;
    let rows: Vec<String> = adapty.transactions("u1").into_iter().map(|row| row.id).collect();
    assert_eq!(rows, ["in_1", "in_2"]);
    assert_eq!(adapty.revenue("u1")["EUR"], 19.98);
    bench.adapty_answer("POST", REVOKE, Some(json!({ "is_refund": true }))).await;
    assert_eq!(adapty.revenue("u1")["EUR"], 9.99);
    assert!(!adapty.has("u1", "premium"));
}

#[tokio::test]
async fn a_row_needs_product_transaction_and_store() {
    let bench = Bench::new().await;
    bench.simulator.adapty.create_profile("u1");
    for missing in ["vendor_product_id", "vendor_transaction_id", "store"] {
        let mut body = purchase("in_1");
        body.as_object_mut().unwrap().remove(missing);
        assert_eq!(bench.adapty_answer("POST", GRANT, Some(body)).await.0, 200);
    }
    assert!(bench.simulator.adapty.transactions("u1").is_empty());
}

#[tokio::test]
async fn lifetime_comes_before_a_date_and_a_date_before_days() {
    let bench = Bench::new().await;
    let adapty = &bench.simulator.adapty;
    adapty.create_profile("u1");
    let all = json!({ "is_lifetime": true, "expires_at": "2099-01-01T00:00:00Z", "duration_days": 3 });
    bench.adapty_answer("POST", GRANT, Some(all)).await;
    assert!(adapty.level("u1", "premium").unwrap().is_lifetime);
    let end = (clock::now() + TimeDelta::days(1)).with_nanosecond(0).unwrap();
    let both = json!({ "expires_at": end.to_rfc3339(), "duration_days": 3 });
    bench.adapty_answer("POST", GRANT, Some(both)).await;
    assert_eq!(adapty.level("u1", "premium").unwrap().expires_at, Some(end));
    bench.adapty_answer("POST", GRANT, Some(json!({ "duration_days": 3 }))).await;
    assert_eq!(adapty.level("u1", "premium").unwrap().expires_at, Some(end + TimeDelta::days(3)));
    assert_eq!(bench.adapty_answer("POST", GRANT, Some(json!({}))).await.0, 400);
}

#[tokio::test]
async fn what_is_malformed_or_unknown_is_refused() {
    let bench = Bench::new().await;
    bench.simulator.adapty.create_profile("u1");
    let bad = [
        json!({ "expires_at": "tomorrow" }),
        json!({ "expires_at": 4_070_908_800_i64 }),
        json!({ "expires_at": null }),
        json!({ "duration_days": "3" }),
        json!({ "is_lifetime": 1 }),
        json!({ "is_lifetime": true, "colour": "red" }),
        json!({ "is_lifetime": true, "introductory_offer_type": "gift" }),
    ];
    for body in bad {
        assert_eq!(bench.adapty_answer("POST", GRANT, Some(body.clone())).await.0, 400, "{body}");
    }
    assert_eq!(bench.adapty_answer("POST", REVOKE, Some(json!({}))).await.0, 400);
    let lifetime = || Some(json!({ "is_lifetime": true }));
    let unknown_level = GRANT.replace("premium", "platinum");
    assert_eq!(bench.adapty_answer("POST", &unknown_level, lifetime()).await.0, 400);
    assert_eq!(bench.adapty_answer("POST", GRANT.trim_end_matches('/'), lifetime()).await.0, 404);
    assert_eq!(bench.adapty_answer("POST", &GRANT.replace("u1", "u2"), lifetime()).await.0, 404);
    let url = format!("{}/api/v1/sdk/profiles/u1/", bench.simulator.adapty.url());
    let unsigned = bench.client.get(url).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    let (_, body) = crate::read(unsigned).await;
    assert_eq!(body["error_code"], "not_authenticated");
}

#[tokio::test]
async fn the_flag_without_encoding_is_refused() {
    let bench = Bench::new().await;
    bench.simulator.adapty.create_profile("123+456");
    let encoded = bench.adapty_answer("GET", "/profiles/MTIzKzQ1Ng==/?is_user_id_base64url_encoded=1", None).await;
    assert_eq!((encoded.0, &encoded.1["data"]["customer_user_id"]), (200, &json!("123+456")));
    assert_eq!(encoded.1["data"]["paid_access_levels"], Value::Null);
    let plain = bench.adapty_answer("GET", "/profiles/123+456/?is_user_id_base64url_encoded=1", None).await;
    assert_eq!(plain.0, 400);
}

#[tokio::test]
async fn a_profile_is_made_changed_and_deleted() {
    let bench = Bench::new().await;
    let made = json!({ "customer_user_id": "u1", "email": "a@example.com" });
    assert_eq!(bench.adapty_answer("POST", "/profiles/", Some(made)).await.0, 201);
    let change = json!({ "custom_attributes": { "plan": "web", "beta": true } });
    let (_, body) = bench.adapty_answer("PATCH", "/profiles/u1/", Some(change)).await;
    assert_eq!(body["data"]["custom_attributes"], json!({ "plan": "web", "beta": 1.0 }));
    let (_, body) = bench.adapty_answer("GET", "/profiles/u1/?extended=1", None).await;
    assert_eq!(body["data"]["email"], "a@example.com");
    assert_eq!(bench.adapty_answer("DELETE", "/profiles/u1/delete", None).await.0, 200);
    assert_eq!(bench.adapty_answer("GET", "/profiles/u1/", None).await.0, 404);
}

#[tokio::test]
async fn a_wait_ends_when_the_level_does_though_nothing_is_written() {
    let bench = Bench::new().await;
    let adapty = &bench.simulator.adapty;
    adapty.create_profile("u1");
    let soon = clock::now() + TimeDelta::milliseconds(1_500);
    let body = json!({ "starts_at": "2020-01-01T00:00:00Z", "expires_at": soon.to_rfc3339() });
    bench.adapty_answer("POST", GRANT, Some(body)).await;
    let ended = adapty.wait_for_level("u1", "premium", Duration::from_secs(60), |level| {
        level.is_some_and(|level| level.expires_at.is_some_and(|end| end <= clock::now()))
    });
    let begun = std::time::Instant::now();
    assert!(ended.await.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited for a write");
}

#[tokio::test]
async fn a_revoke_ends_now_or_at_a_start_still_to_come() {
    let bench = Bench::new().await;
    let adapty = &bench.simulator.adapty;
    adapty.create_profile("u1");
    let start = "2098-01-01T00:00:00.000000+0000";
    let later = json!({ "starts_at": start, "expires_at": "2099-01-01T00:00:00Z" });
    bench.adapty_answer("POST", GRANT, Some(later)).await;
    let (_, body) = bench.adapty_answer("POST", REVOKE, Some(json!({ "is_refund": false }))).await;
    assert_eq!(body["data"]["paid_access_levels"]["premium"]["expires_at"], start);
    bench.adapty_answer("POST", GRANT, Some(json!({ "is_lifetime": true }))).await;
    bench.adapty_answer("POST", REVOKE, Some(json!({ "is_refund": false }))).await;
    let ended = adapty.wait_for_level("u1", "premium", Duration::from_secs(1), |level| {
        level.is_some_and(|level| level.expires_at.is_some_and(|end| end <= clock::now()))
    });
    assert!(ended.await.is_ok());
}
