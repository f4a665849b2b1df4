//! The paths of the server-side API v2: profile, set transaction, grant and revoke.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::body::Body;
use super::world::{Level, World};
use super::{Refusal, report, v1, view_v2};
use crate::clock;
use crate::server::{Answer, Call};

const PROFILE: [&str; 14] = [
    "first_name",
    "last_name",
    "gender",
    "email",
    "phone_number",
    "birthday",
    "ip_country",
    "ip_v4_address",
    "store_country",
    "store",
    "store_account_token",
    "analytics_disabled",
    "custom_attributes",
    "installation_meta",
];

const PLATFORMS: [&str; 6] = ["iOS", "macOS", "iPadOS", "Android", "visionOS", "web"];

type Outcome = Result<Answer, Refusal>;

/// Answers a GET.
pub(super) fn read(world: &World, path: &str, call: &Call) -> Outcome {
    if path != "profile/" {
        return Err(Refusal::no_such_path());
    }
    let id = found(world, call)?;
    let facts = world.profiles[&id].as_seen(call.stale).ok_or_else(Refusal::no_such_profile)?;
    Ok(Answer::json(200, &view_v2::profile(&world.profiles[&id], facts)))
}

/// Answers everything else. Without the slash at the end there is no such path.
pub(super) fn write(world: &mut World, path: &str, call: &Call) -> Outcome {
    match (call.method.as_str(), path) {
        ("POST", "profile/") => create(world, call),
        ("PATCH", "profile/") => update(world, call),
        ("POST", "purchase/set/transaction/") => set_transaction(world, call),
        ("POST", "purchase/profile/grant/access-level/") => grant(world, call),
        ("POST", "purchase/profile/revoke/access-level/") => revoke(world, call),
        _ => Err(Refusal::no_such_path()),
    }
}

/// The one whom the header names, by customer user id or profile id.
fn named(call: &Call) -> Result<&str, Refusal> {
    let message = "One of adapty-customer-user-id and adapty-profile-id is required.";
    call.customer.as_deref().ok_or_else(|| Refusal::invalid("validation_error", "non_field_errors", message))
}

fn found(world: &World, call: &Call) -> Result<String, Refusal> {
    let profile = world.find(named(call)?).ok_or_else(Refusal::no_such_profile)?;
    Ok(profile.id.clone())
}

fn create(world: &mut World, call: &Call) -> Outcome {
    let user = named(call)?;
    let body = Body::of(call)?;
    if world.refuse_unknown_keys {
        body.refuse_unknown(&PROFILE)?;
    }
    check_installation(&body.into_fields())?;
    let id = world.ensure(user);
    Ok(profile_answer(world, &id))
}

/// The OpenAPI document requires it of POST and PATCH.
fn check_installation(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let meta = fields.get("installation_meta").unwrap_or(&Value::Null);
    let missing = |field: &str| Refusal::invalid("value_error.missing", field, "field required");
    let device = meta["device_id"].as_str().ok_or_else(|| missing("installation_meta.device_id"))?;
    if !is_uuid(device) {
        return Err(Refusal::invalid("value_error", "installation_meta.device_id", "value is not a valid uuid"));
    }
    if meta["platform"].as_str().is_some_and(|platform| !PLATFORMS.contains(&platform)) {
        return Err(Refusal::invalid("enum", "installation_meta.platform", "unexpected value"));
    }
    Ok(())
}

fn update(world: &mut World, call: &Call) -> Outcome {
    let id = found(world, call)?;
    let body = Body::of(call)?;
    if world.refuse_unknown_keys {
        body.refuse_unknown(&PROFILE)?;
    }
    let mut fields = body.into_fields();
    check_installation(&fields)?;
    fields.remove("installation_meta");
    v1::check_fields(&fields)?;
    if let Some(listed) = fields.remove("custom_attributes").filter(|listed| !listed.is_null()) {
        fields.insert("custom_attributes".to_owned(), attributes(&listed)?);
    }
    world.change(&id, clock::now(), |facts| v1::set_attributes(&mut facts.attributes, fields));
    Ok(profile_answer(world, &id))
}

/// A list of at most 30 pairs of key and value, as they are kept: by key.
fn attributes(listed: &Value) -> Result<Value, Refusal> {
    let refusal = || Refusal::invalid("value_error", "custom_attributes", "invalid custom attributes");
    let pairs = listed.as_array().filter(|pairs| pairs.len() <= 30).ok_or_else(refusal)?;
    let mut kept = Map::new();
    for pair in pairs {
        let (key, value) = (pair["key"].as_str().ok_or_else(refusal)?, pair["value"].clone());
        if !v1::is_custom_attribute(key, &value) {
            return Err(refusal());
        }
        kept.insert(key.to_owned(), value);
    }
    Ok(Value::Object(kept))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn set_transaction(world: &mut World, call: &Call) -> Outcome {
    let id = found(world, call)?;
    report::set(world, &id, &Body::of(call)?, clock::now())?;
    Ok(profile_answer(world, &id))
}

fn grant(world: &mut World, call: &Call) -> Outcome {
    let id = found(world, call)?;
    let body = Body::of(call)?;
    if world.refuse_unknown_keys {
        body.refuse_unknown(&["access_level_id", "starts_at", "expires_at"])?;
    }
    let level = level_of(world, &body)?;
    let (starts_at, expires_at) = (body.time_or_null("starts_at")?, body.time_or_null("expires_at")?);
    let now = clock::now();
    let held = world.profiles[&id].facts.levels.get(&level);
    let activated_at = held.map_or(now, |level| level.activated_at);
    let given = given(&level, &id, starts_at, expires_at, (activated_at, now));
    world.change(&id, now, |facts| {
        facts.levels.insert(level, given);
    });
    Ok(profile_answer(world, &id))
}

/// A level without a transaction: Adapty fills in words of its own.
fn given(
    level: &str,
    profile: &str,
    starts_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    (activated_at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Level {
    let own = format!("{profile}-{level}");
    Level {
        id: level.to_owned(),
        is_lifetime: expires_at.is_none(),
        expires_at,
        starts_at,
        will_renew: false,
        product: "adapty_server_side_product".to_owned(),
        base_plan: None,
        transaction: Some(own.clone()),
        original: Some(own),
        store: "adapty".to_owned(),
        activated_at,
        renewed_at: now,
        unsubscribed_at: None,
        offer: None,
    }
}

fn revoke(world: &mut World, call: &Call) -> Outcome {
    let id = found(world, call)?;
    let body = Body::of(call)?;
    if world.refuse_unknown_keys {
        body.refuse_unknown(&["access_level_id", "revoke_at"])?;
    }
    let level = level_of(world, &body)?;
    let (now, revoke_at) = (clock::now(), body.time_or_null("revoke_at")?);
    if revoke_at.is_some_and(|at| at <= now) {
        return Err(Refusal::invalid("value_error", "revoke_at", "Must be greater than the current time or null"));
    }
    let Some(held) = world.profiles[&id].facts.levels.get(&level) else {
        let message = format!("Profile `{id}` has no `{level}` access level");
        return Err(Refusal::invalid("profile_paid_access_level_does_not_exist", "non_field_errors", &message));
    };
    if revoke_at.zip(held.expires_at).is_some_and(|(at, end)| at > end) {
        let message = "Revocation date is more than current expiration date";
        return Err(Refusal::invalid("revocation_date_more_than_expiration_date", "revoke_at", message));
    }
    let end = revoke_at.unwrap_or_else(|| held.starts_at.map_or(now, |start| start.max(now)));
    world.change(&id, now, |facts| {
        if let Some(level) = facts.levels.get_mut(&level) {
            (level.expires_at, level.is_lifetime, level.unsubscribed_at) = (Some(end), false, Some(now));
        }
    });
    Ok(profile_answer(world, &id))
}

fn level_of(world: &World, body: &Body) -> Result<String, Refusal> {
    let missing = || Refusal::invalid("value_error.missing", "access_level_id", "field required");
    let level = body.text("access_level_id")?.ok_or_else(missing)?;
    if world.levels.contains(&level) {
        return Ok(level);
    }
    let message = format!("Paid access level `{level}` does not exist");
    Err(Refusal::new(404, "paid_access_level_does_not_exist", Some("non_field_errors"), &message))
}

fn profile_answer(world: &World, id: &str) -> Answer {
    let profile = &world.profiles[id];
    Answer::json(200, &view_v2::profile(profile, &profile.facts))
}
