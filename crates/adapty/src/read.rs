//! Reads Adapty's profiles, whichever API wrote them.
//!
//! Lenient about form (map, list or null; either API's names; any form of date), strict about meaning: a level
//! whose end is not clear makes the whole profile unreadable, since one left out would read as one never given.

use std::collections::BTreeMap;
use std::{fmt, slice};

use chrono::DateTime;
use entitlement::model::access_level::AccessLevel;
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::brief;
use entitlement::model::profile::{ActualLevel, BARE, Profile, StoreSubscription};
use entitlement::model::until::Until;
use entitlement::model::user::User;
use serde_json::{Map, Value};

use crate::date;

/// Where the answer makes no sense; names fields and levels, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&brief(format!("the answer cannot be read at `{}`", self.0)))
    }
}

impl std::error::Error for Unreadable {}

/// The profile in `body`, an object `{"data": {…}}`.
///
/// Levels are `paid_access_levels` (v1) or `access_levels` (v2), or both; one that is listed twice counts with its
/// later end.
///
/// # Errors
/// When it is no JSON, has no levels (not even `null`), or a level's end or start is not clear.
pub fn profile(user: &User, body: &[u8]) -> Result<Profile, Unreadable> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Unreadable("/".to_owned()))?;
    let data = body.get("data").and_then(Value::as_object).ok_or_else(|| Unreadable("data".to_owned()))?;
    let mut found = BTreeMap::new();
    let mut is_listed = false;
    for field in ["paid_access_levels", "access_levels"] {
        if let Some(levels) = data.get(field) {
            is_listed = true;
            collect(levels, field, &mut found)?;
        }
    }
    if !is_listed {
        return Err(Unreadable("data.paid_access_levels".to_owned()));
    }
    let levels = found.into_values().collect();
    let sold = sold(data.get("subscriptions"));
    Ok(Profile { user: user.clone(), exists: true, levels, sold })
}

/// The subscriptions that are listed and not over by their own word. What cannot be read of them is left out: nothing is
/// granted or taken for it.
fn sold(listed: Option<&Value>) -> Vec<StoreSubscription> {
    let entries: Vec<&Value> = match listed {
        // a page has lists by product
        Some(Value::Object(map)) => {
            map.values().flat_map(|of| of.as_array().map_or(slice::from_ref(of), Vec::as_slice)).collect()
        }
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Vec::new(),
    };
    entries.into_iter().filter_map(subscription).collect()
}

fn subscription(entry: &Value) -> Option<StoreSubscription> {
    let fields = entry.as_object()?;
    let is_over = fields.get("is_active").and_then(Value::as_bool) == Some(false);
    let is_refunded = text(fields, &["cancellation_reason"]).is_some_and(|reason| reason == "refund");
    if is_over || is_refunded {
        return None;
    }
    let product = text(fields, &["vendor_product_id", "store_product_id"])?;
    let sandbox = fields.get("is_sandbox").and_then(Value::as_bool);
    let sandbox = sandbox.unwrap_or_else(|| text(fields, &["environment"]).is_some_and(|of| of == "Sandbox"));
    Some(StoreSubscription {
        store: text(fields, &["store"])?,
        product,
        until: until(fields, "subscriptions").ok()?,
        sandbox,
    })
}

/// Characters of a level's name in a fault: longer than any real one, and the field behind it still has room.
const LONGEST_NAME: usize = 64;

fn collect(listed: &Value, field: &str, found: &mut BTreeMap<AccessLevel, ActualLevel>) -> Result<(), Unreadable> {
    let place = format!("data.{field}");
    let mut levels = Vec::new();
    if let Some(map) = listed.as_object() {
        for (name, entry) in map {
            let cut: String = name.chars().take(LONGEST_NAME).collect();
            levels.push(level(Some(name), entry, &format!("{place}.{cut}"))?);
        }
    } else if let Some(list) = listed.as_array() {
        for (index, entry) in list.iter().enumerate() {
            levels.push(level(None, entry, &format!("{place}[{index}]"))?);
        }
    } else if !listed.is_null() {
        return Err(Unreadable(place));
    }
    for actual in levels {
        let is_later = found.get(&actual.level).is_none_or(|known| actual.until > known.until);
        if is_later {
            found.insert(actual.level.clone(), actual);
        }
    }
    Ok(())
}

/// One access level; `name` is its key in a map.
fn level(name: Option<&str>, entry: &Value, place: &str) -> Result<ActualLevel, Unreadable> {
    let fields = entry.as_object().ok_or_else(|| Unreadable(place.to_owned()))?;
    let own = || text(fields, &["access_level_id", "id"]);
    let name = name.map(ToOwned::to_owned).or_else(own).ok_or_else(|| Unreadable(format!("{place}.id")))?;
    Ok(ActualLevel {
        level: AccessLevel(name),
        until: until(fields, place)?,
        starts_at: moment(fields, "starts_at", place)?,
        store: text(fields, &["store"]),
        product: text(fields, &["vendor_product_id", "store_product_id"]),
        transaction_id: text(fields, &["vendor_transaction_id", "store_transaction_id"]),
        original_transaction_id: text(fields, &["vendor_original_transaction_id", "store_original_transaction_id"]),
        will_renew: will_renew(fields),
        in_grace: fields.get("is_in_grace_period").and_then(Value::as_bool).unwrap_or(false),
        billing_issue: fields.get("billing_issue_detected_at").is_some_and(|at| !at.is_null()),
    })
}

/// v1 says so; v2 says when renewal was switched off, of what a store sold and has an end.
fn will_renew(fields: &Map<String, Value>) -> Option<bool> {
    if let Some(renews) = fields.get("will_renew") {
        return renews.as_bool();
    }
    let is_sold = fields.get("store")?.as_str()? != BARE.0 && fields.get("expires_at")?.is_string();
    fields.get("renewal_cancelled_at").filter(|_| is_sold).map(Value::is_null)
}

/// When the level ends.
///
/// v1 says `is_lifetime`, and `is_active` as of the answer; v2 says neither, and a null `expires_at` is for life.
/// Where v1 contradicts itself: a lifetime that is not active and has an end was revoked then; no end, not for life
/// and not active is over, since when is not known, so since ever; no end, not for life and yet active never ends.
fn until(fields: &Map<String, Value>, place: &str) -> Result<Until, Unreadable> {
    let expires_at = moment(fields, "expires_at", place)?;
    let lifetime = flag(fields, "is_lifetime", place)?;
    let active = flag(fields, "is_active", place)?;
    match (expires_at, lifetime, active) {
        (Some(at), Some(true), Some(false)) => Ok(Until::At(at)),
        (_, Some(true), _) => Ok(Until::Lifetime),
        (Some(at), _, _) => Ok(Until::At(at)),
        (None, _, Some(false)) => Ok(Until::At(DateTime::UNIX_EPOCH)),
        (None, _, Some(true)) => Ok(Until::Lifetime),
        (None, None, None) if fields.contains_key("expires_at") => Ok(Until::Lifetime),
        (None, _, None) => Err(Unreadable(format!("{place}.expires_at"))),
    }
}

fn moment(fields: &Map<String, Value>, name: &str, place: &str) -> Result<Option<Timestamp>, Unreadable> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let read = value.as_str().and_then(date::read);
            read.map(Some).ok_or_else(|| Unreadable(format!("{place}.{name}")))
        }
    }
}

fn flag(fields: &Map<String, Value>, name: &str, place: &str) -> Result<Option<bool>, Unreadable> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_bool().map(Some).ok_or_else(|| Unreadable(format!("{place}.{name}"))),
    }
}

/// The first of `names` that holds text.
fn text(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| fields.get(*name)?.as_str())?;
    (!found.is_empty()).then(|| found.to_owned())
}

#[cfg(test)]
mod tests;
