//! Events: the snapshot form, and the thin form of the v2 API.

use chrono::DateTime;
use serde_json::{Value, json};

use super::shape;
use super::world::{World, number, text};

/// An event as it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`.
    pub id: String,
    /// `customer.subscription.updated`, …
    pub kind: String,
    /// The raw JSON.
    pub body: String,
    /// The customer that the object belongs to.
    pub customer: Option<String>,
}

/// The event object around another object.
pub(super) fn snapshot(
    world: &World,
    id: &str,
    request: &str,
    kind: &str,
    object: &Value,
    previous: Option<Value>,
) -> Value {
    let mut event = json!({
        "id": id,
        "object": "event",
        "api_version": world.shape.api_version(),
        "created": world.now(),
        "data": { "object": shape::render(world, object) },
        "livemode": world.livemode,
        "pending_webhooks": 1,
        "request": { "id": request, "idempotency_key": null },
        "type": kind,
    });
    if let Some(previous) = previous {
        event["data"]["previous_attributes"] = previous;
    }
    if let Some(account) = &world.account {
        event["account"] = account.as_str().into();
    }
    event
}

/// The deliverable form of a stored event.
pub(super) fn of(stored: &Value) -> Event {
    let object = &stored["data"]["object"];
    let own = (object["object"] == "customer").then(|| &object["id"]);
    let customer = own.unwrap_or(&object["customer"]);
    Event {
        id: text(stored, "/id").to_owned(),
        kind: text(stored, "/type").to_owned(),
        body: stored.to_string(),
        customer: customer.as_str().map(str::to_owned),
    }
}

/// The same event without its object: only where to fetch it.
pub(super) fn thin(event: &Event) -> Event {
    let full: Value = serde_json::from_str(&event.body).expect("the simulator has written this body");
    let object = &full["data"]["object"];
    let (kind, id) = (text(object, "/object"), text(object, "/id"));
    let created = DateTime::from_timestamp(number(&full, "/created"), 0).unwrap_or_default();
    let mut body = json!({
        "id": event.id,
        "object": "v2.core.event",
        "context": full.get("account"),
        "created": created.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "livemode": full["livemode"],
        "reason": null,
        "related_object": { "id": id, "type": kind, "url": path_of(kind, id) },
        "snapshot_event": event.id,
        "type": format!("v1.{}", event.kind),
    });
    if let Some(account) = full.get("account") {
        body["account"] = account.clone();
    }
    Event { kind: format!("v1.{}", event.kind), body: body.to_string(), ..event.clone() }
}

fn path_of(kind: &str, id: &str) -> String {
    match kind {
        "checkout.session" => format!("/v1/checkout/sessions/{id}"),
        "event" | "customer" | "subscription" | "invoice" | "invoice_payment" | "payment_intent" | "charge"
        | "refund" | "dispute" | "price" | "product" => format!("/v1/{kind}s/{id}"),
        other => format!("/v1/{}s/{id}", other.replace('.', "/")),
    }
}
