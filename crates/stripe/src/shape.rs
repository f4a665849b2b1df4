//! Shapes that recur in answers: references, moments, lists.

use std::collections::BTreeMap;

use chrono::DateTime;
use entitlement::model::clock::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::lenient::Named;

/// A reference: the id, whether the object stands expanded in its place or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ref(Option<String>);

impl Ref {
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(crate) fn owned(&self) -> Option<String> {
        self.0.clone()
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Named::deserialize(deserializer).map(|named| Self(named.get().map(str::to_owned)))
    }
}

/// An id, or the object itself where it was expanded.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expandable<T> {
    Id(String),
    Object(T),
}

/// A price, or the plan that older versions have in its place.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Price {
    #[serde(default)]
    id: Ref,
    #[serde(default)]
    product: Ref,
    #[serde(default)]
    pub(crate) currency: Option<String>,
}

impl Expandable<Price> {
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id),
            Self::Object(price) => price.id.get(),
        }
    }

    pub(crate) fn product(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Object(price) => price.product.get(),
        }
    }

    pub(crate) fn currency(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Object(price) => price.currency.as_deref(),
        }
    }
}

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub(crate) struct Seconds(pub(crate) Timestamp);

impl TryFrom<i64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        DateTime::from_timestamp(seconds, 0).map(Self).ok_or("a moment out of range")
    }
}

/// An object as it stands in an answer, parsed when it is needed: its text and no tree, since most of it is never needed.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Object(Box<RawValue>);

impl Object {
    /// Its text.
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }

    /// The id that stands in its place where it was not expanded.
    pub(crate) fn unexpanded(&self) -> Option<String> {
        serde_json::from_str(self.text()).ok()
    }

    /// As the tests write it.
    #[cfg(test)]
    pub(crate) fn of(object: &Value) -> Self {
        Self(serde_json::value::to_raw_value(object).unwrap())
    }
}

/// A page of objects, each read on its own, so that one we cannot read does not hide the others.
///
/// `data` must be there: an answer without it is not an empty list.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct List {
    pub(crate) data: Vec<Object>,
    #[serde(default)]
    pub(crate) has_more: bool,
}

impl List {
    /// What is known of a list before its first page.
    pub(crate) fn unread() -> Self {
        Self { data: Vec::new(), has_more: true }
    }
}

/// `metadata`: Stripe keeps text only; anything else is skipped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Adapty's id of the paywall that sold it, under the key at which Adapty's own bridge looks. What cannot be one is
    /// left out, so that Adapty refuses no sale for it.
    pub(crate) fn variation(&self) -> Option<String> {
        self.get("variation_id").filter(|text| is_variation(text)).map(str::to_owned)
    }
}

fn is_variation(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST_VARIATION && text.bytes().all(is_part)
}

/// They are UUIDs; nothing says that they stay so.
const LONGEST_VARIATION: usize = 64;

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(fields) = Value::deserialize(deserializer)? else { return Ok(Self::default()) };
        let text = |(key, value)| match value {
            Value::String(text) => Some((key, text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        Ok(Self(fields.into_iter().filter_map(text).collect()))
    }
}

/// The object's id, whatever the rest is.
pub(crate) fn id_of(object: &Object) -> Option<String> {
    let id: Named<'_> = serde_json::from_str(object.text()).ok()?;
    object.text().starts_with('{').then(|| id.get().map(str::to_owned))?
}

/// The object's id, for what is said of it.
pub(crate) fn named(object: &Object) -> String {
    id_of(object).unwrap_or_else(|| "without id".to_owned())
}

/// Reads one object.
///
/// # Errors
/// What is missing, in words. Of a field of another type nothing more is said, since serde would quote its content.
pub(crate) fn read<T: serde::de::DeserializeOwned>(object: &Object) -> Result<T, String> {
    serde_json::from_str(object.text()).map_err(|error| {
        let text = error.to_string();
        // where it stands in the text says nothing to anybody
        let missing = text.split(" at line ").next().filter(|text| text.starts_with("missing field"));
        missing.map_or_else(|| "a field has an unexpected type".to_owned(), str::to_owned)
    })
}
