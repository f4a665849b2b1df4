//! Adapty's objects, whole, for people who want to see them.
//!
//! What a decision needs is read by [`crate::read`], which is strict about it; here what cannot be read is left out, and
//! what is new is ignored.
//!
//! Source: the page "API objects" (names of v2, collections as lists) and v1's profile (other names, maps, null).

use std::collections::BTreeMap;
use std::slice;

use entitlement::model::attributes::AttributeValue;
use entitlement::model::clock::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::attributes::written;
use crate::date;

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
    /// Fields such as `email` and `birthday`, which v1 lists when it is asked to, each under its own name.
    #[serde(flatten)]
    pub about: BTreeMap<String, Attribute>,
}

/// What v1 adds to a profile that is asked for with `extended`.
const ABOUT: [&str; 19] = [
    "created_at",
    "email",
    "phone_number",
    "att_status",
    "first_name",
    "last_name",
    "username",
    "gender",
    "birthday",
    "idfa",
    "idfv",
    "advertising_id",
    "appsflyer_id",
    "amplitude_user_id",
    "amplitude_device_id",
    "mixpanel_user_id",
    "appmetrica_profile_id",
    "appmetrica_device_id",
    "facebook_anonymous_id",
];

/// The value of a custom attribute; it may be personal, so it never prints by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute(pub AttributeValue);

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
    /// v1 alone says these three.
    pub is_active: Option<bool>,
    pub is_lifetime: Option<bool>,
    pub starts_at: Option<Timestamp>,
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
    /// A page says that purchases carry it; the answers that are published do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// What something cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Price {
    /// Two letters, ISO 3166.
    pub country: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// In the currency's major unit.
    pub value: Option<f64>,
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
        access_levels: fields.entries(&["access_levels", "paid_access_levels"]).iter().map(access_level).collect(),
        subscriptions: fields.entries(&["subscriptions"]).iter().map(subscription).collect(),
        non_subscriptions: fields.entries(&["non_subscriptions"]).iter().map(non_subscription).collect(),
        about: ABOUT.iter().filter_map(|name| attribute(name, fields.0.get(*name)?)).collect(),
    })
}

fn access_level(entry: &Entry<'_>) -> AccessLevel {
    let fields = &entry.fields;
    AccessLevel {
        access_level_id: fields.text(&["access_level_id", "id"]).or_else(|| entry.key.map(str::to_owned)),
        bought: bought(fields),
        is_active: fields.flag("is_active"),
        is_lifetime: fields.flag("is_lifetime"),
        starts_at: fields.moment(&["starts_at"]),
        renewal: renewal(fields),
    }
}

fn subscription(entry: &Entry<'_>) -> Subscription {
    let fields = &entry.fields;
    Subscription {
        bought: bought(fields),
        is_active: fields.flag("is_active"),
        is_lifetime: fields.flag("is_lifetime"),
        starts_at: fields.moment(&["starts_at"]),
        renewal: renewal(fields),
    }
}

fn non_subscription(entry: &Entry<'_>) -> NonSubscription {
    let fields = &entry.fields;
    NonSubscription {
        purchase_id: fields.text(&["purchase_id"]),
        bought: bought(fields),
        is_refund: fields.flag("is_refund"),
        is_consumable: fields.flag("is_consumable").or_else(|| fields.flag("is_one_time")),
    }
}

fn bought(fields: &Fields<'_>) -> Bought {
    Bought {
        store: fields.text(&["store"]),
        store_product_id: fields.text(&["store_product_id", "vendor_product_id"]),
        store_base_plan_id: fields.text(&["store_base_plan_id", "base_plan_id"]),
        store_transaction_id: fields.text(&["store_transaction_id", "vendor_transaction_id"]),
        store_original_transaction_id: fields
            .text(&["store_original_transaction_id", "vendor_original_transaction_id"]),
        environment: environment(fields),
        purchased_at: fields.moment(&["purchased_at", "renewed_at"]),
        price: fields.0.get("price").and_then(Value::as_object).map(|price| price_of(&Fields(price))),
    }
}

/// v2 names it, v1 has a flag.
fn environment(fields: &Fields<'_>) -> Option<String> {
    let by_flag = || Some(if fields.flag("is_sandbox")? { "Sandbox" } else { "Production" }.to_owned());
    fields.text(&["environment"]).or_else(by_flag)
}

fn price_of(fields: &Fields<'_>) -> Price {
    let value = fields.0.get("value").and_then(Value::as_f64);
    Price { country: fields.text(&["country"]), currency: fields.text(&["currency"]), value }
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

/// What an offer is made of: a name of v2, and the one that another page gives it.
const OF_OFFER: [[&str; 2]; 3] = [["category", "offer_category"], ["type", "offer_type"], ["id", "offer_id"]];

/// v2 has an object, or as a page has it a dictionary of such objects by their ids; v1 two fields for each kind of offer.
fn offer(fields: &Fields<'_>) -> Option<Offer> {
    if let Some(offer) = fields.0.get("offer").and_then(Value::as_object) {
        if OF_OFFER.as_flattened().iter().any(|name| offer.contains_key(*name)) {
            return Some(offer_of(offer));
        }
        let (id, offer) = offer.iter().find_map(|(id, offer)| Some((id, offer.as_object()?)))?;
        let offer = offer_of(offer);
        return Some(Offer { id: offer.id.or_else(|| Some(id.clone())), ..offer });
    }
    active_offer(fields, "introductory").or_else(|| active_offer(fields, "promotional"))
}

fn active_offer(fields: &Fields<'_>, category: &str) -> Option<Offer> {
    let kind = fields.text(&[&format!("active_{category}_offer_type")])?;
    let id = fields.text(&[&format!("active_{category}_offer_id")]);
    Some(Offer { category: Some(category.to_owned()), kind: Some(kind), id })
}

fn offer_of(offer: &Map<String, Value>) -> Offer {
    let [category, kind, id] = OF_OFFER.map(|names| Fields(offer).text(&names));
    Offer { category, kind, id }
}

/// A dictionary in v1, a list of pairs in v2.
fn attributes(listed: Option<&Value>) -> BTreeMap<String, Attribute> {
    match listed {
        Some(Value::Object(map)) => map.iter().filter_map(|(key, value)| attribute(key, value)).collect(),
        Some(Value::Array(pairs)) => {
            pairs.iter().filter_map(|of| attribute(of.get("key")?.as_str()?, of.get("value")?)).collect()
        }
        Some(_) | None => BTreeMap::new(),
    }
}

fn attribute(key: &str, value: &Value) -> Option<(String, Attribute)> {
    let value = match value {
        Value::String(text) => AttributeValue::Text(text.clone()),
        Value::Number(number) => AttributeValue::Number(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some((key.to_owned(), Attribute(value)))
}

/// The fields of an object.
struct Fields<'a>(&'a Map<String, Value>);

/// An object of a collection.
struct Entry<'a> {
    /// Its key, where the collection is a map.
    key: Option<&'a str>,
    fields: Fields<'a>,
}

impl<'a> Fields<'a> {
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
    fn entries(&self, names: &[&str]) -> Vec<Entry<'a>> {
        match names.iter().find_map(|name| self.0.get(*name)) {
            Some(Value::Array(items)) => objects(None, items).collect(),
            Some(Value::Object(map)) => map.iter().flat_map(|(key, value)| objects(Some(key), listed(value))).collect(),
            Some(_) | None => Vec::new(),
        }
    }
}

/// The items of a list, or what is no list by itself.
fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or(slice::from_ref(value), Vec::as_slice)
}

fn objects<'a>(key: Option<&'a str>, items: &'a [Value]) -> impl Iterator<Item = Entry<'a>> {
    items.iter().filter_map(move |item| Some(Entry { key, fields: Fields(item.as_object()?) }))
}

#[cfg(test)]
mod tests;
