//! Whole profiles, as either API writes them.

use serde_json::json;

use super::*;

fn read(data: Value) -> Profile {
    profile(json!({ "data": data }).to_string().as_bytes()).unwrap()
}

#[test]
fn both_apis_are_read_alike() {
    let v1 = read(json!({
        "app_id": "a", "profile_id": "p", "customer_user_id": "u-1", "total_revenue_usd": 9.99,
        "custom_attributes": { "plan": "team", "seats": 5 },
        "paid_access_levels": { "premium": {
            "is_active": true, "expires_at": "2026-02-01T00:00:00.000000+0000", "store": "stripe",
            "vendor_product_id": "prod_1", "base_plan_id": "price_1", "vendor_transaction_id": "in_2",
            "vendor_original_transaction_id": "sub_1", "unsubscribed_at": "2026-01-02T00:00:00.000000+0000",
            "active_introductory_offer_type": "free_trial", "is_in_grace_period": false,
        }},
        "subscriptions": { "prod_1": { "store": "stripe", "vendor_product_id": "prod_1", "is_sandbox": true } },
        "non_subscriptions": { "prod_2": [{ "purchase_id": "x", "vendor_product_id": "prod_2" }] },
    }));
    let v2 = read(json!({
        "app_id": "a", "profile_id": "p", "customer_user_id": "u-1", "total_revenue_usd": 9.99,
        "custom_attributes": [{ "key": "plan", "value": "team" }, { "key": "seats", "value": 5 }],
        "access_levels": [{
            "access_level_id": "premium", "expires_at": "2026-02-01T00:00:00+00:00", "store": "stripe",
            "store_product_id": "prod_1", "store_base_plan_id": "price_1", "store_transaction_id": "in_2",
            "store_original_transaction_id": "sub_1", "renewal_cancelled_at": "2026-01-02T00:00:00Z",
            "offer": { "category": "introductory", "type": "free_trial", "id": null }, "is_in_grace_period": false,
        }],
        "subscriptions": [{ "store": "stripe", "store_product_id": "prod_1", "environment": "Sandbox" }],
        "non_subscriptions": [{ "purchase_id": "x", "store_product_id": "prod_2" }],
        "something_new": {},
    }));
    let active = AccessLevel { is_active: None, ..v1.access_levels[0].clone() };
    assert_eq!(v2, Profile { access_levels: vec![active], ..v1 });
    assert_eq!(v2.custom_attributes["seats"].0, AttributeValue::Number("5".into()));
    let written = serde_json::to_value(&v2).unwrap();
    assert_eq!(written["custom_attributes"], json!({ "plan": "team", "seats": 5 }));
    assert_eq!(written["access_levels"][0]["offer"]["type"], "free_trial");
    assert_eq!(v2.subscriptions[0].bought.environment.as_deref(), Some("Sandbox"));
}

#[test]
fn an_offer_is_an_object_or_stands_under_its_id() {
    let offer = |value: Value| {
        read(json!({ "access_levels": [{ "access_level_id": "premium", "offer": value }] })).access_levels[0]
            .renewal
            .offer
            .clone()
    };
    let expected = |id: Option<&str>| Offer {
        category: Some("promotional".into()),
        kind: Some("pay_up_front".into()),
        id: id.map(str::to_owned),
    };
    let object = json!({ "offer_category": "promotional", "offer_type": "pay_up_front", "offer_id": null });
    assert_eq!(offer(object.clone()), Some(expected(None)));
    assert_eq!(offer(json!({ "summer": object })), Some(expected(Some("summer"))));
    let own = json!({ "x": { "category": "promotional", "type": "pay_up_front", "id": "spring" } });
    assert_eq!(offer(own), Some(expected(Some("spring"))));
    for nothing in [json!({}), json!(null), json!({ "summer": null })] {
        assert_eq!(offer(nothing), None);
    }
}

#[test]
fn the_price_of_a_purchase_and_the_fields_of_the_profile_are_read_where_they_stand() {
    let profile = read(json!({
        "email": "ann@example.com", "birthday": "1990-12-31", "att_status": 3, "gender": null, "created_at": "x",
        "subscriptions": [{ "price": { "country": "US", "currency": "USD", "value": 9.99 }, "is_lifetime": false }],
        "non_subscriptions": [{ "price": 5 }],
    }));
    let price = Price { country: Some("US".into()), currency: Some("USD".into()), value: Some(9.99) };
    assert_eq!(profile.subscriptions[0].bought.price, Some(price));
    assert_eq!(profile.subscriptions[0].is_lifetime, Some(false));
    assert_eq!(profile.non_subscriptions[0].bought.price, None);
    assert!(!format!("{profile:?}").contains("ann@"));
    let written = serde_json::to_value(&profile).unwrap();
    assert_eq!((&written["email"], &written["att_status"]), (&json!("ann@example.com"), &json!(3)));
    assert_eq!(written.get("gender"), None);
}

#[test]
fn what_is_missing_null_or_odd_is_left_out() {
    let empty = read(json!({ "access_levels": null, "subscriptions": 7, "custom_attributes": "no", "app_id": "" }));
    assert_eq!(empty, Profile::default());
    let odd = read(json!({ "access_levels": [{ "expires_at": "soon", "offer": { "offer_type": "unknown" } }, 5] }));
    assert_eq!(odd.access_levels.len(), 1);
    assert_eq!(odd.access_levels[0].renewal.offer.clone().unwrap().kind.as_deref(), Some("unknown"));
    assert_eq!(profile(b"{}"), None);
    assert!(!format!("{:?}", read(json!({ "custom_attributes": { "who": "ann@example.com" } }))).contains("ann@"));
}
