//! The paths of the GET API.

use serde_json::{Value, json};

use super::world::{World, rows};
use super::{Stripe, expand, filter, list, shape};
use crate::server::{Answer, Call, percent_decoded};

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
}

impl Refusal {
    pub(super) fn of_param(code: &'static str, param: &str, message: String) -> Refusal {
        Refusal { status: 400, code: Some(code), param: Some(param.to_owned()), message }
    }

    fn missing(kind: &str, id: &str) -> Refusal {
        Refusal {
            status: 404,
            code: Some("resource_missing"),
            param: Some("id".to_owned()),
            message: format!("No such {}: '{id}'", kind.replace('.', " ")),
        }
    }

    fn plain(status: u16, message: String) -> Refusal {
        Refusal { status, code: None, param: None, message }
    }

    fn into_answer(self) -> Answer {
        let mut error = json!({ "type": "invalid_request_error", "message": self.message });
        if let Some(code) = self.code {
            error["code"] = code.into();
            error["doc_url"] = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into();
        }
        if let Some(param) = self.param {
            error["param"] = param.into();
        }
        Answer::json(self.status, &json!({ "error": error }))
    }
}

/// Answers one request.
pub(crate) fn answer(stripe: &Stripe, call: &Call) -> Answer {
    let answer = stripe.with(|world| {
        authorized(world, call)?;
        let mut object = route(world, call)?;
        for path in filter::expansions(call) {
            expand::expand(world, &mut object, path).map_err(|path| {
                let message = format!("This property cannot be expanded ({path}).");
                Refusal::plain(400, message)
            })?;
        }
        Ok(object)
    });
    answer.map_or_else(Refusal::into_answer, |object| Answer::json(200, &object))
}

fn authorized(world: &World, call: &Call) -> Result<(), Refusal> {
    let key = call.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    match key {
        Some(key) if world.keys.contains(key) => {
            permitted(world, key, &call.path)?;
            // what is expanded takes the right to what is in it
            let mut expanded = filter::expansions(call);
            if expanded.any(|path| path.ends_with("discounts")) { permitted(world, key, "/v1/coupons") } else { Ok(()) }
        }
        Some(_) => Err(Refusal::plain(401, "Invalid API Key provided.".to_owned())),
        None => Err(Refusal::plain(401, "You did not provide an API key.".to_owned())),
    }
}

/// A restricted key may not read everything; the name of the permission is left out of the message.
fn permitted(world: &World, key: &str, path: &str) -> Result<(), Refusal> {
    let below = |closed: &String| {
        let rest = path.strip_prefix("/v1/").and_then(|path| path.strip_prefix(closed.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if world.closed.get(key).is_some_and(|closed| closed.iter().any(below)) {
        let message = format!("The provided key '{key}' does not have the required permissions for this endpoint.");
        return Err(Refusal::plain(403, message));
    }
    Ok(())
}

fn route(world: &World, call: &Call) -> Result<Value, Refusal> {
    let unknown = || {
        let message = format!("Unrecognized request URL ({}: {}).", call.method, call.path);
        Refusal::plain(404, message)
    };
    let path = call.path.strip_prefix("/v1/").ok_or_else(unknown)?;
    if call.method != "GET" {
        return Err(unknown());
    }
    if let Some(listing) = filter::LISTINGS.iter().find(|listing| listing.path == path) {
        return list::of_kind(world, call, listing);
    }
    let (parent, id) = path.rsplit_once('/').ok_or_else(unknown).or_else(|refusal| {
        // The only list that is not of a kind of its own.
        if path == "subscription_items" { Ok(("", path)) } else { Err(refusal) }
    })?;
    match (parent, id) {
        ("", _) => items(world, call),
        (_, "lines" | "line_items") => nested(world, call, parent, id).ok_or_else(unknown)?,
        _ => object(world, call, parent, id).ok_or_else(unknown)?,
    }
}

/// One object; `None` when the path names no kind of object.
fn object(world: &World, call: &Call, parent: &str, id: &str) -> Option<Result<Value, Refusal>> {
    let kind = filter::LISTINGS.iter().find(|listing| listing.path == parent)?.kind;
    let id = percent_decoded(id);
    let stored = world.get(&id).filter(|stored| stored["object"] == kind);
    let found = stored.ok_or_else(|| Refusal::missing(kind, &id));
    Some(found.and_then(|stored| {
        filter::refuse_unknown(call, &[])?;
        Ok(shape::render(world, stored))
    }))
}

/// The whole of an array of which the object embeds only the first page.
fn nested(world: &World, call: &Call, parent: &str, field: &str) -> Option<Result<Value, Refusal>> {
    let (kind_path, id) = parent.rsplit_once('/')?;
    let kind = match (kind_path, field) {
        ("invoices", "lines") => "invoice",
        ("checkout/sessions", "line_items") => "checkout.session",
        _ => return None,
    };
    let stored = world.get(id).filter(|stored| stored["object"] == kind);
    let found = stored.ok_or_else(|| Refusal::missing(kind, id));
    Some(found.and_then(|stored| list::of_rows(world, call, &[], rows(stored, field))))
}

fn items(world: &World, call: &Call) -> Result<Value, Refusal> {
    let Some(id) = call.param("subscription") else {
        let message = "Missing required param: subscription.".to_owned();
        return Err(Refusal::of_param("parameter_missing", "subscription", message));
    };
    let stored = world.get(id).filter(|stored| stored["object"] == "subscription");
    let stored = stored.ok_or_else(|| Refusal::missing("subscription", id))?;
    list::of_rows(world, call, &["subscription"], rows(stored, "items"))
}
