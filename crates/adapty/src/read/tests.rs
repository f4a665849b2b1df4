//! Every form in which Adapty writes a profile.

use serde_json::json;

use super::*;

fn read(body: &Value) -> Result<Profile, Unreadable> {
    profile(&User::new("u1").unwrap(), body.to_string().as_bytes())
}

/// A profile whose only level, `premium`, has these fields.
fn premium(fields: &Value) -> Result<ActualLevel, Unreadable> {
    let body = json!({"data": {"paid_access_levels": {"premium": fields}}});
    read(&body).map(|profile| profile.levels.into_iter().next().unwrap())
}

fn until(fields: &Value) -> Result<Until, Unreadable> {
    premium(fields).map(|level| level.until)
}

fn at(text: &str) -> Until {
    Until::At(text.parse().unwrap())
}

/// The sample of v1's page, with the fields of the page's table.
const SAMPLE: &str = r#"{"data":{"app_id":"a","profile_id":"77112400-89f1-4465-b9c9-5437e58c6688","customer_user_id":"u1",
 "paid_access_levels":{"premium":{"id":"premium","is_active":true,"is_lifetime":false,
   "expires_at":"2023-03-29T15:30:34.000000+0000","starts_at":null,"will_renew":false,
   "vendor_product_id":"adapty_server_side_product","base_plan_id":"premium_autorenewing",
   "vendor_transaction_id":"1000000630116569","vendor_original_transaction_id":"1000000625263604",
   "store":"adapty","activated_at":"2020-03-26T16:24:19.497674+0000","renewed_at":"2020-03-26T16:24:19.497674+0000",
   "unsubscribed_at":null,"billing_issue_detected_at":null,"is_in_grace_period":false,
   "active_introductory_offer_type":"free_trial","active_promotional_offer_type":null,
   "active_promotional_offer_id":null,"cancellation_reason":null}},
 "subscriptions":{}, "non_subscriptions":null, "custom_attributes":{}, "total_revenue_usd":9.99}}"#;

#[test]
fn the_sample_of_v1_is_read_whole() {
    let user = User::new("u1").unwrap();
    let premium = ActualLevel {
        level: AccessLevel("premium".into()),
        until: at("2023-03-29T15:30:34Z"),
        starts_at: None,
        store: Some("adapty".into()),
        product: Some("adapty_server_side_product".into()),
        transaction_id: Some("1000000630116569".into()),
        original_transaction_id: Some("1000000625263604".into()),
        will_renew: Some(false),
        in_grace: false,
        billing_issue: false,
    };
    let expected = Profile { user: user.clone(), exists: true, levels: vec![premium], sold: vec![] };
    assert_eq!(profile(&user, SAMPLE.as_bytes()), Ok(expected));
}

#[test]
fn a_profile_of_v2_is_read_with_its_own_names() {
    let body = json!({"data": {"app_id": "a", "profile_id": "p", "customer_user_id": "u1", "access_levels": [
        {"access_level_id": "premium", "store": "stripe", "store_product_id": "prod_1", "store_base_plan_id": "price_1",
         "store_transaction_id": "in_2", "store_original_transaction_id": "sub_1", "offer": null, "starts_at": null,
         "purchased_at": "2024-12-24T10:50:23+00:00", "originally_purchased_at": "2024-11-24T10:50:23+00:00",
         "expires_at": "2025-01-24T10:50:47.461425+00:00", "is_in_grace_period": false},
        {"access_level_id": "gold", "store": "adapty", "store_product_id": "adapty_promotion", "expires_at": null,
         "starts_at": "2024-12-24T10:50:23+00:00"},
    ], "subscriptions": [], "non_subscriptions": []}});
    let levels = read(&body).unwrap().levels;
    let (gold, premium) = (&levels[0], &levels[1]);
    assert_eq!((gold.level.0.as_str(), gold.until), ("gold", Until::Lifetime));
    assert_eq!(gold.starts_at, Some("2024-12-24T10:50:23Z".parse().unwrap()));
    assert_eq!((premium.level.0.as_str(), premium.until), ("premium", at("2025-01-24T10:50:47.461425Z")));
    assert_eq!(premium.product.as_deref(), Some("prod_1"));
    assert_eq!(
        (premium.transaction_id.as_deref(), premium.original_transaction_id.as_deref()),
        (Some("in_2"), Some("sub_1"))
    );
}

#[test]
fn levels_come_as_map_or_list_or_null() {
    let level = json!({"id": "premium", "is_active": true, "expires_at": "2026-01-01T00:00:00Z"});
    for levels in [json!({"premium": level}), json!([level])] {
        for field in ["paid_access_levels", "access_levels"] {
            assert_eq!(read(&json!({"data": {field: levels}})).unwrap().levels.len(), 1, "{field} {levels}");
        }
    }
    for levels in [json!(null), json!({}), json!([])] {
        let profile = read(&json!({"data": {"paid_access_levels": levels}})).unwrap();
        assert!(profile.exists && profile.levels.is_empty());
    }
    let both = json!({"data": {"paid_access_levels": null, "access_levels": [level]}});
    assert_eq!(read(&both).unwrap().levels.len(), 1);
}

#[test]
fn a_level_that_is_listed_twice_counts_with_its_later_end() {
    let entry = |end: Value| json!({"access_level_id": "premium", "expires_at": end});
    let (early, late) = (entry(json!("2026-01-01T00:00:00Z")), entry(json!("2027-01-01T00:00:00Z")));
    for list in [[&early, &late], [&late, &early]] {
        let levels = read(&json!({"data": {"access_levels": list}})).unwrap().levels;
        assert_eq!((levels.len(), levels[0].until), (1, at("2027-01-01T00:00:00Z")));
    }
    let levels = read(&json!({"data": {"access_levels": [entry(json!(null)), late]}})).unwrap().levels;
    assert_eq!(levels[0].until, Until::Lifetime);
}

#[test]
fn an_end_is_a_date_or_a_lifetime() {
    let date = "2026-01-01T00:00:00.000000+0000";
    let over = Ok(Until::At(DateTime::UNIX_EPOCH));
    let table = [
        (json!({"is_lifetime": true, "is_active": true, "expires_at": null}), Ok(Until::Lifetime)),
        (json!({"is_lifetime": true, "is_active": true}), Ok(Until::Lifetime)),
        (json!({"is_lifetime": false, "is_active": true, "expires_at": date}), Ok(at("2026-01-01T00:00:00Z"))),
        (json!({"is_lifetime": false, "is_active": false, "expires_at": date}), Ok(at("2026-01-01T00:00:00Z"))),
        (json!({"is_lifetime": null, "is_active": null, "expires_at": date}), Ok(at("2026-01-01T00:00:00Z"))),
        (json!({"expires_at": null}), Ok(Until::Lifetime)),
        // contradictory, or saying too little
        (json!({"is_lifetime": true, "is_active": true, "expires_at": date}), Ok(Until::Lifetime)),
        (json!({"is_lifetime": true, "is_active": false, "expires_at": date}), Ok(at("2026-01-01T00:00:00Z"))),
        (json!({"is_lifetime": true, "is_active": false, "expires_at": null}), Ok(Until::Lifetime)),
        (json!({"is_lifetime": false, "is_active": false, "expires_at": null}), over.clone()),
        (json!({"is_active": false, "expires_at": null}), over),
        (json!({"is_lifetime": false, "is_active": true, "expires_at": null}), Ok(Until::Lifetime)),
    ];
    for (fields, expected) in table {
        assert_eq!(until(&fields), expected, "{fields}");
    }
}

#[test]
fn a_level_whose_end_is_not_clear_is_never_left_out() {
    let place = |name: &str| Err(Unreadable(format!("data.paid_access_levels.premium.{name}")));
    for fields in [
        json!({}),
        json!({"is_lifetime": false, "expires_at": null}),
        json!({"is_active": true, "expires_at": "soon"}),
        json!({"is_active": true, "expires_at": ""}),
        json!({"is_active": true, "expires_at": 1_767_225_600}),
        json!({"is_lifetime": true, "expires_at": "soon"}),
    ] {
        assert_eq!(until(&fields), place("expires_at"), "{fields}");
    }
    assert_eq!(until(&json!({"expires_at": null, "starts_at": "soon"})), place("starts_at"));
    assert_eq!(until(&json!({"expires_at": null, "is_active": "yes"})), place("is_active"));
    assert!(until(&json!("premium")).is_err());
}

#[test]
fn what_is_no_profile_is_unreadable() {
    for body in [
        json!({}),
        json!([]),
        json!({"data": null}),
        json!({"data": []}),
        json!({"data": {}}),
        json!({"data": {"profile_id": "p"}}),
        json!({"data": {"paid_access_levels": "premium"}}),
        json!({"data": {"access_levels": [{"expires_at": null}]}}),
        json!({"errors": [], "error_code": "x", "status_code": 400}),
    ] {
        assert!(read(&body).is_err(), "{body}");
    }
    for body in ["", "<html>", r#"{"data":"#] {
        assert!(profile(&User::new("u1").unwrap(), body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn no_error_prints_a_value() {
    let fault = until(&json!({"expires_at": "ann@example.com"})).unwrap_err();
    assert_eq!(fault.to_string(), "the answer cannot be read at `data.paid_access_levels.premium.expires_at`");
}

#[test]
fn a_fault_names_its_field_however_long_the_levels_name_is() {
    let body = json!({"data": {"paid_access_levels": {"é".repeat(20_000): {"expires_at": 7}}}});
    let fault = read(&body).unwrap_err().to_string();
    assert_eq!(fault, format!("the answer cannot be read at `data.paid_access_levels.{}.expires_at`", "é".repeat(64)));
}

#[test]
fn fields_of_other_types_are_not_known() {
    let level =
        premium(&json!({"expires_at": null, "store": 7, "vendor_product_id": null, "vendor_transaction_id": ""}));
    let level = level.unwrap();
    assert_eq!((level.store, level.product, level.transaction_id), (None, None, None));
}

#[test]
fn either_api_says_whether_another_stores_right_renews() {
    let v1 = json!({"data": {"paid_access_levels": {"premium": {"expires_at": "2026-02-01T00:00:00Z", "store": "app_store",
        "will_renew": false, "is_in_grace_period": true, "billing_issue_detected_at": "2026-01-01T00:00:00Z"}}}});
    let level = &read(&v1).unwrap().levels[0];
    assert_eq!((level.will_renew, level.in_grace, level.billing_issue), (Some(false), true, true));
    let v2 = |store: &str, stopped: Value| {
        let level = json!({"access_level_id": "premium", "expires_at": "2026-02-01T00:00:00Z", "store": store,
            "renewal_cancelled_at": stopped, "billing_issue_detected_at": null});
        read(&json!({"data": {"access_levels": [level]}})).unwrap().levels[0].clone()
    };
    let will_renew = |store, stopped| v2(store, stopped).will_renew;
    assert_eq!(will_renew("app_store", json!(null)), Some(true));
    assert_eq!(will_renew("app_store", json!("2026-01-01T00:00:00Z")), Some(false));
    assert_eq!(will_renew("adapty", json!(null)), None, "nobody pays for it");
    assert!(!v2("app_store", json!(null)).billing_issue);
}

#[test]
fn subscriptions_that_run_are_listed_by_either_api_and_what_is_odd_is_left_out() {
    let read = |subscriptions: serde_json::Value| {
        let body = json!({"data": {"access_levels": [], "subscriptions": subscriptions}});
        profile(&User::new("u1").unwrap(), body.to_string().as_bytes()).unwrap().sold
    };
    let v1 = json!({
        "ios.monthly": {"vendor_product_id": "ios.monthly", "store": "app_store", "is_active": true, "is_lifetime": false,
            "expires_at": "2026-03-29T15:30:34.000000+0000", "is_sandbox": false},
        "over": {"vendor_product_id": "over", "store": "app_store", "is_active": false, "expires_at": "2023-03-29T15:30:34Z"},
        "endless": {"vendor_product_id": "endless", "store": "app_store", "is_active": true, "expires_at": "soon"},
        "odd": 5,
        "none": [],
    });
    let until = at("2026-03-29T15:30:34Z");
    let sold = StoreSubscription { store: "app_store".into(), product: "ios.monthly".into(), until, sandbox: false };
    assert_eq!(read(v1.clone()), vec![sold.clone()]);
    assert_eq!(read(json!({"ios.monthly": [v1["ios.monthly"]]})), vec![sold.clone()]);
    let v2 = json!([
        {"store_product_id": "ios.monthly", "store": "app_store", "expires_at": "2026-03-29T15:30:34+00:00",
            "environment": "Sandbox", "cancellation_reason": null},
        {"store_product_id": "back", "store": "app_store", "expires_at": "2026-03-29T15:30:34+00:00",
            "cancellation_reason": "refund"},
    ]);
    assert_eq!(read(v2), [StoreSubscription { sandbox: true, ..sold }]);
    assert_eq!((read(json!(null)), read(json!("none"))), (vec![], vec![]));
}
