//! Adapty's objects, whole: for people who want to see what it shows. What a decision needs is read by [`crate::read`],
//! which is strict about it; here what cannot be read is left out, and what is new is ignored.
//!
//! Source: the page "API objects" (names of v2, collections as lists) and v1's profile (other names, maps, null).

use std::collections::BTreeMap;

use entitlement::clock::Timestamp;
use entitlement::details::DetailValue;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::date;
use crate::details::written;

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Profile {
    pub app_id: Option<String>,
    pub profile_id: Option<String>,
    pub customer_user_id: Option<String>,
    pub total_revenue_usd: Option<f64>,
    pub segment_hash: Option<String>,
    /// When it answered, in milliseconds: of two answers the one with the higher number is newer.
    pub timestamp: Option<i64>,
    /// By name; values are texts and numbers.
    pub custom_attributes: BTreeMap<String, Attribute>,
    pub access_levels: Vec<AccessLevel>,
    pub subscriptions: Vec<Subscription>,
    pub non_subscriptions: Vec<NonSubscription>,
}

/// The value of a custom attribute; it may be personal, so it never prints by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute(pub DetailValue);

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(&self.0).serialize(serializer)
    }
}

/// An access level.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AccessLevel {
    pub access_level_id: Option<String>,
    #[serde(flatten)]
    pub bought: Bought,
    /// v1 alone says so.
    pub is_active: Option<bool>,
    pub is_lifetime: Option<bool>,
    pub starts_at: Option<Timestamp>,
    #[serde(flatten)]
    pub renewal: Renewal,
}

/// A subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Subscription {
    #[serde(flatten)]
    pub bought: Bought,
    pub is_active: Option<bool>,
    #[serde(flatten)]
    pub renewal: Renewal,
}

/// What was bought once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NonSubscription {
    pub purchase_id: Option<String>,
    #[serde(flatten)]
    pub bought: Bought,
    pub is_refund: Option<bool>,
    pub is_consumable: Option<bool>,
}

/// What every purchase says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bought {
    pub store: Option<String>,
    pub store_product_id: Option<String>,
    pub store_base_plan_id: Option<String>,
    pub store_transaction_id: Option<String>,
    pub store_original_transaction_id: Option<String>,
    /// `Sandbox` or `Production`.
    pub environment: Option<String>,
    pub purchased_at: Option<Timestamp>,
}

/// Where something that may renew stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Renewal {
    pub originally_purchased_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// v1 alone says so.
    pub will_renew: Option<bool>,
    pub renewal_cancelled_at: Option<Timestamp>,
    pub billing_issue_detected_at: Option<Timestamp>,
    pub is_in_grace_period: Option<bool>,
    pub cancellation_reason: Option<String>,
    pub offer: Option<Offer>,
}

/// An offer that a purchase was made under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Offer {
    pub category: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub id: Option<String>,
}

/// The profile in an answer, `{"data": {…}}`; `None` when there is none.
#[must_use]
pub(crate) fn profile(body: &[u8]) -> Option<Profile> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let fields = Fields(body.get("data")?.as_object()?);
    Some(Profile {
        app_id: fields.text(&["app_id"]),
        profile_id: fields.text(&["profile_id"]),
        customer_user_id: fields.text(&["customer_user_id"]),
        total_revenue_usd: fields.0.get("total_revenue_usd").and_then(Value::as_f64),
        segment_hash: fields.text(&["segment_hash"]),
        timestamp: fields.0.get("timestamp").and_then(Value::as_i64),
        custom_attributes: attributes(fields.0.get("custom_attributes")),
        access_levels: fields.list(&["access_levels", "paid_access_levels"], access_level),
        subscriptions: fields.list(&["subscriptions"], |_, fields| Subscription {
            bought: bought(fields),
            is_active: fields.flag("is_active"),
            renewal: renewal(fields),
        }),
        non_subscriptions: fields.list(&["non_subscriptions"], |_, fields| NonSubscription {
            purchase_id: fields.text(&["purchase_id"]),
            bought: bought(fields),
            is_refund: fields.flag("is_refund"),
            is_consumable: fields.flag("is_consumable").or_else(|| fields.flag("is_one_time")),
        }),
    })
}

fn access_level(name: Option<&str>, fields: &Fields<'_>) -> AccessLevel {
    AccessLevel {
        access_level_id: fields.text(&["access_level_id", "id"]).or_else(|| name.map(str::to_owned)),
        bought: bought(fields),
        is_active: fields.flag("is_active"),
        is_lifetime: fields.flag("is_lifetime"),
        starts_at: fields.moment(&["starts_at"]),
        renewal: renewal(fields),
    }
}

fn bought(fields: &Fields<'_>) -> Bought {
    let sandbox = || fields.flag("is_sandbox").map(|is| if is { "Sandbox" } else { "Production" }.to_owned());
    Bought {
        store: fields.text(&["store"]),
        store_product_id: fields.text(&["store_product_id", "vendor_product_id"]),
        store_base_plan_id: fields.text(&["store_base_plan_id", "base_plan_id"]),
        store_transaction_id: fields.text(&["store_transaction_id", "vendor_transaction_id"]),
        store_original_transaction_id: fields
            .text(&["store_original_transaction_id", "vendor_original_transaction_id"]),
        environment: fields.text(&["environment"]).or_else(sandbox),
        purchased_at: fields.moment(&["purchased_at", "renewed_at"]),
    }
}

fn renewal(fields: &Fields<'_>) -> Renewal {
    Renewal {
        originally_purchased_at: fields.moment(&["originally_purchased_at", "activated_at"]),
        expires_at: fields.moment(&["expires_at"]),
        will_renew: fields.flag("will_renew"),
        renewal_cancelled_at: fields.moment(&["renewal_cancelled_at", "unsubscribed_at"]),
        billing_issue_detected_at: fields.moment(&["billing_issue_detected_at"]),
        is_in_grace_period: fields.flag("is_in_grace_period"),
        cancellation_reason: fields.text(&["cancellation_reason"]),
        offer: offer(fields),
    }
}

/// v2 has an object; v1 two fields for each kind of offer.
fn offer(fields: &Fields<'_>) -> Option<Offer> {
    if let Some(offer) = fields.0.get("offer").and_then(Value::as_object).map(Fields) {
        let [category, kind, id] = [["category", "offer_category"], ["type", "offer_type"], ["id", "offer_id"]]
            .map(|names| offer.text(&names));
        return Some(Offer { category, kind, id });
    }
    let of = |category: &str| {
        let kind = fields.text(&[&format!("active_{category}_offer_type")])?;
        let id = fields.text(&[&format!("active_{category}_offer_id")]);
        Some(Offer { category: Some(category.to_owned()), kind: Some(kind), id })
    };
    of("introductory").or_else(|| of("promotional"))
}

/// A dictionary in v1, a list of pairs in v2.
fn attributes(listed: Option<&Value>) -> BTreeMap<String, Attribute> {
    let pair = |key: &str, value: &Value| {
        let value = match value {
            Value::String(text) => DetailValue::Text(text.clone()),
            Value::Number(number) => DetailValue::Number(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((key.to_owned(), Attribute(value)))
    };
    match listed {
        Some(Value::Object(map)) => map.iter().filter_map(|(key, value)| pair(key, value)).collect(),
        Some(Value::Array(pairs)) => {
            pairs.iter().filter_map(|of| pair(of.get("key")?.as_str()?, of.get("value")?)).collect()
        }
        Some(_) | None => BTreeMap::new(),
    }
}

/// The fields of an object.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, names: &[&str]) -> Option<String> {
        let found = names.iter().find_map(|name| self.0.get(*name)?.as_str())?;
        (!found.is_empty()).then(|| found.to_owned())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    fn moment(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| date::read(self.0.get(*name)?.as_str()?))
    }

    /// The objects of the first collection that is there: a list, a map, a map of lists, or null.
    fn list<T>(&self, names: &[&str], make: impl Fn(Option<&str>, &Fields<'_>) -> T) -> Vec<T> {
        let one = |name: Option<&str>, value: &Value| value.as_object().map(|fields| make(name, &Fields(fields)));
        match names.iter().find_map(|name| self.0.get(*name)) {
            Some(Value::Array(items)) => items.iter().filter_map(|item| one(None, item)).collect(),
            Some(Value::Object(map)) => {
                let within = |(name, value): (&String, &Value)| match value {
                    Value::Array(items) => items.iter().filter_map(|item| one(Some(name), item)).collect::<Vec<_>>(),
                    value => one(Some(name), value).into_iter().collect(),
                };
                map.iter().flat_map(within).collect()
            }
            Some(_) | None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(data: Value) -> Profile {
        profile(json!({ "data": data }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn both_generations_tell_the_same() {
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
        assert_eq!(v2.custom_attributes["seats"].0, DetailValue::Number("5".into()));
        let told = serde_json::to_value(&v2).unwrap();
        assert_eq!(told["custom_attributes"], json!({ "plan": "team", "seats": 5 }));
        assert_eq!(told["access_levels"][0]["offer"]["type"], "free_trial");
        assert_eq!(v2.subscriptions[0].bought.environment.as_deref(), Some("Sandbox"));
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
}
