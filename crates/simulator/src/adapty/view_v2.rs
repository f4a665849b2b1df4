//! Profiles as v2 shows them: lists in the place of maps, no `is_active`, dates with a colon in their offset.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::view::revenue_in_dollars;
use super::world::{Facts, Level, Profile, Reported, Transaction};
use crate::clock;

/// `{"data": Profile}`.
pub(super) fn profile(profile: &Profile, facts: &Facts) -> Value {
    let rows = facts.transactions.iter().filter_map(|row| Some((row, row.reported.as_ref()?)));
    let (subscriptions, once): (Vec<_>, Vec<_>) = rows.partition(|(_, reported)| reported.is_subscription);
    let subscriptions = subscriptions.into_iter().map(|(row, reported)| subscription(row, reported));
    let subscriptions: Vec<Value> = subscriptions.chain(facts.of_stores.values().map(sold_by_store)).collect();
    let once: Vec<Value> =
        once.into_iter().zip(1..).map(|((row, reported), number)| non_subscription(row, reported, number)).collect();
    let levels: Vec<Value> = facts.levels.values().map(access_level).collect();
    json!({ "data": {
        "app_id": "15ac9a4f-9c7a-4ad6-8d0a-1e6f0c2b8f10",
        "profile_id": profile.id,
        "customer_user_id": profile.user,
        "total_revenue_usd": revenue_in_dollars(facts),
        "segment_hash": "a1b2c3",
        "timestamp": clock::now().timestamp_millis(),
        "custom_attributes": attributes(facts),
        "access_levels": levels,
        "subscriptions": subscriptions,
        "non_subscriptions": once,
    }})
}

/// A list of pairs, where v1 has a dictionary.
fn attributes(facts: &Facts) -> Vec<Value> {
    let kept = facts.attributes.get("custom_attributes").and_then(Value::as_object);
    kept.into_iter().flatten().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn written(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn access_level(level: &Level) -> Value {
    json!({
        "access_level_id": level.id,
        "store": level.store,
        "store_product_id": level.product,
        "store_base_plan_id": level.base_plan,
        "store_transaction_id": level.transaction,
        "store_original_transaction_id": level.original,
        "offer": null,
        "starts_at": level.starts_at.map(written),
        "purchased_at": written(level.renewed_at),
        "originally_purchased_at": written(level.activated_at),
        "expires_at": level.expires_at.map(written),
        "renewal_cancelled_at": level.unsubscribed_at.map(written),
        "billing_issue_detected_at": null,
        "is_in_grace_period": false,
        "cancellation_reason": null,
    })
}

/// The subscription behind a level that a store gave, whether the level still shows it or not.
fn sold_by_store(sold: &Level) -> Value {
    let mut subscription = access_level(sold);
    let fields = subscription.as_object_mut().expect("it is an object");
    for field in ["access_level_id", "starts_at"] {
        fields.remove(field);
    }
    subscription["environment"] = "Sandbox".into();
    subscription
}

fn subscription(row: &Transaction, reported: &Reported) -> Value {
    json!({
        "store": row.store,
        "store_product_id": row.product,
        "store_base_plan_id": row.base_plan,
        "store_transaction_id": row.id,
        "store_original_transaction_id": row.original,
        "offer": row.offer.as_ref().map(|offer| json!({ "category": reported.offer_category, "type": offer, "id": reported.offer_id })),
        "environment": if row.is_sandbox { "Sandbox" } else { "Production" },
        "purchased_at": written(reported.purchased_at),
        "originally_purchased_at": reported.originally_purchased_at.map(written),
        "expires_at": row.expires_at.map(written),
        "renewal_cancelled_at": reported.renew_status_changed_at.filter(|_| reported.renews == Some(false)).map(written),
        "billing_issue_detected_at": reported.billing_issue_detected_at.map(written),
        "is_in_grace_period": reported.grace_period_expires_at.is_some_and(|end| end > clock::now()),
        "cancellation_reason": reported.cancellation_reason,
    })
}

fn non_subscription(row: &Transaction, reported: &Reported, number: u32) -> Value {
    json!({
        "purchase_id": format!("5f1dcd3a-7c02-4b7e-9e0e-{number:012x}"),
        "store": row.store,
        "store_product_id": row.product,
        "store_base_plan_id": row.base_plan,
        "store_transaction_id": row.id,
        "store_original_transaction_id": row.original,
        "purchased_at": written(reported.purchased_at),
        "environment": if row.is_sandbox { "Sandbox" } else { "Production" },
        "is_refund": row.refunded,
        "is_consumable": false,
    })
}
