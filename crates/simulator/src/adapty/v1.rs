//! The paths of the server-side API v1.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value};

use super::body::Body;
use super::world::World;
use super::{Refusal, grant, view};
use crate::clock;
use crate::server::{Answer, Call, percent_decoded};

const ATTRIBUTES: [&str; 8] =
    ["ip_country", "email", "phone_number", "first_name", "last_name", "gender", "birthday", "custom_attributes"];

type Outcome = Result<Answer, Refusal>;

/// Answers a GET.
pub(super) fn read(world: &World, path: &str, call: &Call) -> Outcome {
    let segments: Vec<&str> = path.split('/').collect();
    let ["profiles", user, ""] = segments[..] else {
        return Err(Refusal::no_such_path());
    };
    let id = found(world, user, call)?;
    let facts = world.profiles[&id].as_seen(call.stale).ok_or_else(Refusal::no_such_profile)?;
    let extended = call.param("extended").is_some();
    let profile = view::profile(&world.profiles[&id], facts, extended, clock::now());
    Ok(Answer::json(200, &profile))
}

/// Answers everything else. Without the slash at the end there is no such path, but for `delete`.
pub(super) fn write(world: &mut World, path: &str, call: &Call) -> Outcome {
    let segments: Vec<&str> = path.split('/').collect();
    match (call.method.as_str(), &segments[..]) {
        ("POST", ["profiles", ""]) => create(world, call),
        ("PATCH", ["profiles", user, ""]) => patch(world, user, call),
        ("DELETE", ["profiles", user, "delete"]) => delete(world, user, call),
        ("POST", ["profiles", user, "paid-access-levels", level, verb @ ("grant" | "revoke"), ""]) => {
            access(world, user, level, verb, call)
        }
        _ => Err(Refusal::no_such_path()),
    }
}

fn create(world: &mut World, call: &Call) -> Outcome {
    let body = Body::of(call)?;
    let known: Vec<&str> = ATTRIBUTES.iter().copied().chain(["customer_user_id"]).collect();
    if world.refuse_unknown_keys {
        body.refuse_unknown(&known)?;
    }
    let Some(user) = body.text("customer_user_id")?.filter(|user| !user.is_empty()) else {
        return Err(Refusal::invalid("value_error.missing", "customer_user_id", "field required"));
    };
    let mut fields = body.into_fields();
    fields.remove("customer_user_id");
    check_attributes(&fields)?;
    let status = if world.find(&user).is_some() { 200 } else { 201 };
    let id = world.ensure(&user);
    if !fields.is_empty() {
        world.change(&id, clock::now(), |facts| set_attributes(&mut facts.attributes, fields));
    }
    Ok(profile_answer(world, &id, status))
}

fn patch(world: &mut World, user: &str, call: &Call) -> Outcome {
    let id = found(world, user, call)?;
    let body = Body::of(call)?;
    if world.refuse_unknown_keys {
        body.refuse_unknown(&ATTRIBUTES)?;
    }
    let fields = body.into_fields();
    check_attributes(&fields)?;
    world.change(&id, clock::now(), |facts| set_attributes(&mut facts.attributes, fields));
    Ok(profile_answer(world, &id, 200))
}

fn delete(world: &mut World, user: &str, call: &Call) -> Outcome {
    let id = found(world, user, call)?;
    world.remove(&id);
    Ok(Answer::json(200, &Value::Null))
}

fn access(world: &mut World, user: &str, level: &str, verb: &str, call: &Call) -> Outcome {
    let id = found(world, user, call)?;
    let level = percent_decoded(level);
    if !world.levels.contains(&level) {
        let message = "Paid access level does not exist.";
        return Err(Refusal::invalid("paid_access_level_does_not_exist", "access_level", message));
    }
    let body = Body::of(call)?;
    match verb {
        "grant" => grant::grant(world, &id, &level, &body, clock::now())?,
        _ => grant::revoke(world, &id, &level, &body, clock::now())?,
    }
    Ok(profile_answer(world, &id, 200))
}

fn profile_answer(world: &World, id: &str, status: u16) -> Answer {
    let profile = &world.profiles[id];
    Answer::json(status, &view::profile(profile, &profile.facts, false, clock::now()))
}

/// The profile id behind the user of a path.
fn found(world: &World, user: &str, call: &Call) -> Result<String, Refusal> {
    let user = user_of(user, call)?;
    let profile = world.find(&user).ok_or_else(Refusal::no_such_profile)?;
    Ok(profile.id.clone())
}

/// The user of a path: as it is, or out of Base64URL (with its padding) when the flag is set.
fn user_of(segment: &str, call: &Call) -> Result<String, Refusal> {
    let plain = percent_decoded(segment);
    if call.param("is_user_id_base64url_encoded") != Some("1") {
        return Ok(plain);
    }
    let bytes = URL_SAFE.decode(&plain).ok();
    let user = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let message = "The user id is not Base64URL encoded.";
    user.ok_or_else(|| Refusal::invalid("validation_error", "is_user_id_base64url_encoded", message))
}

/// Whether the fields of a profile are texts; attributes are checked by who knows their form.
pub(super) fn check_fields(fields: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, value) in fields.iter().filter(|(name, _)| *name != "custom_attributes") {
        if !value.is_null() && !value.is_string() && ATTRIBUTES.contains(&name.as_str()) {
            return Err(Refusal::invalid("value_error", name, "value is not a valid string"));
        }
    }
    Ok(())
}

fn check_attributes(fields: &Map<String, Value>) -> Result<(), Refusal> {
    check_fields(fields)?;
    let Some(custom) = fields.get("custom_attributes").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    let entries = custom.as_object().filter(|entries| entries.len() <= 10);
    let sound = entries.is_some_and(|entries| entries.iter().all(|(key, value)| is_custom_attribute(key, value)));
    let refusal = || Refusal::invalid("value_error", "custom_attributes", "invalid custom attributes");
    if sound { Ok(()) } else { Err(refusal()) }
}

pub(super) fn is_custom_attribute(key: &str, value: &Value) -> bool {
    let key_is_sound = key.len() <= 30 && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let value_is_sound = match value {
        Value::String(text) => text.chars().count() <= 30,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::Array(_) | Value::Object(_) => false,
    };
    key_is_sound && value_is_sound
}

/// Overwrites what is named; inside `custom_attributes` an empty value or null deletes.
pub(super) fn set_attributes(attributes: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields {
        let Value::Object(entries) = value else {
            attributes.insert(name, value);
            continue;
        };
        let slot = attributes.entry(name).or_insert_with(|| Value::Object(Map::new()));
        for (key, entry) in entries {
            let gone = entry.is_null() || entry.as_str() == Some("");
            slot[&key] = entry.as_bool().map_or(entry, |flag| f64::from(u8::from(flag)).into());
            if gone && let Some(kept) = slot.as_object_mut() {
                kept.remove(&key);
            }
        }
    }
}
