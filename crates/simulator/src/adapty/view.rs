//! Profiles as v1 shows them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::date::{written, written_or_null};
use super::world::{Facts, Level, Profile, Transaction};

const EXTENDED: [&str; 8] =
    ["email", "phone_number", "first_name", "last_name", "username", "gender", "birthday", "ip_country"];

/// `{"data": Profile}`.
pub(super) fn profile(profile: &Profile, facts: &Facts, extended: bool, now: DateTime<Utc>) -> Value {
    let levels = facts.levels.values().map(|level| (level.id.clone(), access_level(level, now)));
    let of_stores = facts.of_stores.values().map(|sold| (sold.product.clone(), sold_by_store(sold, now)));
    let rows = facts.transactions.iter().map(|row| (row.product.clone(), subscription(row, now))).chain(of_stores);
    let mut data = json!({
        "app_id": "15ac9a4f-9c7a-4ad6-8d0a-1e6f0c2b8f10",
        "profile_id": profile.id,
        "customer_user_id": profile.user,
        "paid_access_levels": map_or_null(levels.collect()),
        "subscriptions": map_or_null(rows.collect()),
        "non_subscriptions": null,
        "custom_attributes": facts.attributes.get("custom_attributes").cloned().unwrap_or_else(|| json!({})),
        "total_revenue_usd": revenue_in_dollars(facts),
    });
    if extended {
        data["created_at"] = written(profile.created_at).into();
        for name in EXTENDED {
            data[name] = facts.attributes.get(name).cloned().unwrap_or_default();
        }
    }
    json!({ "data": data })
}

/// Adapty shows an empty collection as null.
fn map_or_null(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

pub(super) fn revenue_in_dollars(facts: &Facts) -> f64 {
    let rows = facts.transactions.iter().filter(|row| !row.refunded && row.currency == "USD");
    rows.map(|row| row.price).sum()
}

fn access_level(level: &Level, now: DateTime<Utc>) -> Value {
    json!({
        "id": level.id,
        "is_active": level.is_active(now),
        "is_lifetime": level.is_lifetime,
        "expires_at": written_or_null(level.expires_at),
        "starts_at": written_or_null(level.starts_at),
        "will_renew": level.will_renew,
        "vendor_product_id": level.product,
        "base_plan_id": level.base_plan,
        "vendor_transaction_id": level.transaction,
        "vendor_original_transaction_id": level.original,
        "store": level.store,
        "activated_at": written(level.activated_at),
        "renewed_at": written(level.renewed_at),
        "unsubscribed_at": written_or_null(level.unsubscribed_at),
        "billing_issue_detected_at": null,
        "is_in_grace_period": false,
        "active_introductory_offer_type": level.offer,
        "active_promotional_offer_type": null,
        "active_promotional_offer_id": null,
        "cancellation_reason": null,
    })
}

/// The subscription behind a level that a store gave, whether the level still shows it or not.
fn sold_by_store(sold: &Level, now: DateTime<Utc>) -> Value {
    let mut subscription = access_level(sold, now);
    subscription.as_object_mut().expect("it is an object").remove("id");
    subscription["is_sandbox"] = true.into();
    subscription
}

fn subscription(row: &Transaction, now: DateTime<Utc>) -> Value {
    json!({
        "is_active": !row.refunded && row.expires_at.is_none_or(|end| end > now),
        "is_lifetime": row.expires_at.is_none(),
        "expires_at": written_or_null(row.expires_at),
        "starts_at": null,
        "will_renew": false,
        "vendor_product_id": row.product,
        "base_plan_id": row.base_plan,
        "vendor_transaction_id": row.id,
        "vendor_original_transaction_id": row.original,
        "store": row.store,
        "activated_at": written(row.recorded_at),
        "renewed_at": written(row.recorded_at),
        "unsubscribed_at": null,
        "billing_issue_detected_at": null,
        "is_in_grace_period": false,
        "active_introductory_offer_type": row.offer,
        "active_promotional_offer_type": null,
        "active_promotional_offer_id": null,
        "cancellation_reason": row.refunded.then_some("refund"),
        "is_sandbox": row.is_sandbox,
    })
}
